import type { JsonValue } from '@sluice/core'
import { ArgoRefusal } from '../server/answer.js'
import { asArray, asObject, asText, isObject, type JsonObject } from '../argo-workflow.js'

/** A workflow before it is stored. */
export interface DraftWorkflow {
  readonly name: string
  readonly generateName: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly ownerReferences: readonly JsonObject[]
  readonly spec: JsonObject
}

/**
 * Applies `submitOptions` to what was made of the template.
 *
 * @throws ArgoRefusal 500 when one of its texts is malformed: the server reports a caller's mistake as its
 * own
 */
export function applySubmitOptions(draft: DraftWorkflow, options: JsonObject): DraftWorkflow {
  const labels = asText(options['labels']) ?? ''
  const annotations = asText(options['annotations']) ?? ''
  const owner = options['ownerReference']
  return {
    name: asText(options['name']) ?? '',
    generateName: nonEmpty(options['generateName']) ?? draft.generateName,
    labels: {
      ...draft.labels,
      ...pairsOf(labels, `expected labels of the form: ${FORM}. Received: ${labels}`),
    },
    annotations: {
      ...draft.annotations,
      // By mistake the server's message is about labels.
      ...pairsOf(annotations, `expected Annotations of the form: ${FORM}. Received: ${labels}`),
    },
    ownerReferences: isObject(owner) ? [...draft.ownerReferences, owner] : draft.ownerReferences,
    spec: withParameters(withOverrides(draft.spec, options), asArray(options['parameters'])),
  }
}

const FORM = 'NAME1=VALUE2,NAME2=VALUE2'

/** Parts by `,`, then by `=`, into exactly two; nothing can be escaped. */
function pairsOf(text: string, complaint: string): Record<string, string> {
  if (text === '') return {}
  const pairs: Record<string, string> = {}
  for (const piece of text.split(',')) {
    const [key = '', value, ...more] = piece.split('=')
    if (value === undefined || more.length > 0) {
      throw new ArgoRefusal(13, `${complaint}: unexpected label spec: ${piece}`)
    }
    if (key === '') throw new ArgoRefusal(13, `${complaint}: unexpected empty label key`)
    pairs[key] = value
  }
  return pairs
}

const OVERRIDES = [
  ['entryPoint', 'entrypoint'],
  ['serviceAccount', 'serviceAccountName'],
  ['podPriorityClassName', 'podPriorityClassName'],
] as const

function withOverrides(spec: JsonObject, options: JsonObject): JsonObject {
  const changed: Record<string, JsonValue> = { ...spec }
  for (const [option, field] of OVERRIDES) {
    const value = nonEmpty(options[option])
    if (value !== undefined) changed[field] = value
  }
  const priority = options['priority']
  if (typeof priority === 'number') changed['priority'] = priority
  return changed
}

/** Given parameters come first; further ones of the template stay. */
export function withParameters(spec: JsonObject, given: readonly JsonValue[]): JsonObject {
  const parsed = given.map((one) => parameterOf(asText(one) ?? ''))
  const names = new Set(parsed.map(({ name }) => name))
  const kept = asArray(asObject(spec['arguments'])['parameters']).filter(
    (one) => !names.has(asText(asObject(one)['name']) ?? ''),
  )
  const parameters: JsonValue[] = [...parsed, ...kept]
  return {
    ...spec,
    arguments: { ...asObject(spec['arguments']), ...(parameters.length > 0 ? { parameters } : {}) },
  }
}

function parameterOf(text: string): { readonly name: string; readonly value: string } {
  const cut = text.indexOf('=')
  if (cut < 0) throw new ArgoRefusal(13, `expected parameter of the form: NAME=VALUE. Received: ${text}`)
  return { name: text.slice(0, cut), value: text.slice(cut + 1) }
}

function nonEmpty(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
