import type { JsonValue } from '@sluice/core'
import pMap from 'p-map'
import type { ArgoWorkerSettings, Overrides } from '../options.js'
import { asObject, asText, isObject, type JsonObject } from './template-places.js'
import { referenceKey, templateUses, type TemplateFamily, type TemplateUses } from './template-uses.js'
import type { Verdict } from '../api/verdict.js'

/** A template with those that it refers to. */
export interface ReadFamily extends TemplateFamily {
  /**
   * Why one that it refers to can't be read just now; one that may not be read, or isn't there, is only
   * missing.
   */
  readonly unreachable?: string
}

export type ReadTemplate = (kind: ArgoWorkerSettings['templateKind'], name: string) => Promise<Verdict>

/** More of them is no template of practice. */
const MAX_OTHERS = 50

/** Reads what a template refers to, and what that refers to. */
export async function readFamily(answer: unknown, read: ReadTemplate): Promise<ReadFamily> {
  const own = specOf(answer)
  const others = new Map<string, JsonObject>()
  const tried = new Set<string>()
  let unreachable: string | undefined
  for (let wanted = referencesIn(own, tried); wanted.length > 0;) {
    const found = await pMap(wanted, (one) => readOther(one, read), { concurrency: 4 })
    wanted = []
    for (const { key, spec, why } of found) {
      unreachable ??= why
      if (spec === undefined) continue
      others.set(key, spec)
      if (tried.size < MAX_OTHERS) wanted.push(...referencesIn(spec, tried))
    }
  }
  return { spec: resolved(own, others), others, ...(unreachable === undefined ? {} : { unreachable }) }
}

/** A CronWorkflow has the workflow within. */
function specOf(answer: unknown): JsonObject {
  const spec = asObject(asObject(answer)['spec'])
  return isObject(spec['workflowSpec']) ? spec['workflowSpec'] : spec
}

async function readOther(reference: JsonObject, read: ReadTemplate) {
  const kind = reference['clusterScope'] === true ? 'ClusterWorkflowTemplate' : 'WorkflowTemplate'
  const verdict = await read(kind, asText(reference['name']))
  const key = referenceKey(reference)
  if (verdict.kind === 'done') return { key, spec: specOf(verdict.json), why: undefined }
  const settled = verdict.kind === 'absent' || verdict.kind === 'denied'
  return { key, spec: undefined, why: settled ? undefined : `${asText(reference['name'])}: ${verdict.why}` }
}

/** The references in a value that weren't tried before; a name that is made at run time can't be read. */
function referencesIn(value: JsonValue, tried: Set<string>): JsonObject[] {
  if (typeof value !== 'object' || value === null) return []
  const found: JsonObject[] = []
  for (const [field, content] of Object.entries(value)) {
    const isReference = (field === 'templateRef' || field === 'workflowTemplateRef') && isObject(content)
    if (isReference && !tried.has(referenceKey(content)) && !asText(content['name']).includes('{{')) {
      tried.add(referenceKey(content))
      found.push(content)
    }
    found.push(...referencesIn(content, tried))
  }
  return found
}

/** Of a template that is itself made of another one: that one, with its own fields on top. */
function resolved(spec: JsonObject, others: ReadonlyMap<string, JsonObject>): JsonObject {
  const reference = spec['workflowTemplateRef']
  const other = isObject(reference) ? others.get(referenceKey(reference)) : undefined
  return other === undefined ? spec : mergedSpec(other, spec)
}

function mergedSpec(below: JsonObject, above: JsonObject): JsonObject {
  const merged: Record<string, JsonValue> = { ...below }
  for (const [field, value] of Object.entries(above)) {
    const under = below[field]
    if (value === null) continue
    merged[field] = isObject(under) && isObject(value) ? mergedSpec(under, value) : value
  }
  return merged
}

type SpecOverrides = Pick<Overrides, 'entrypoint' | 'spec'>

const KNOWN = new WeakMap<TemplateFamily, Map<string, TemplateUses>>()
const MAX_KNOWN = 100

/** Where workflows of a template, with these fields set for them, have their parameters. */
export function usesWith(family: TemplateFamily, { entrypoint, spec }: SpecOverrides): TemplateUses {
  const own = { ...spec, ...(entrypoint === undefined ? {} : { entrypoint }) }
  const known = KNOWN.get(family) ?? new Map<string, TemplateUses>()
  KNOWN.set(family, known)
  const key = JSON.stringify(own)
  const uses = known.get(key) ?? templateUses({ ...family, spec: mergedSpec(family.spec, own) })
  // Each item may have fields of its own.
  if (known.size >= MAX_KNOWN) known.clear()
  known.set(key, uses)
  return uses
}
