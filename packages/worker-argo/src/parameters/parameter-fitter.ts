import { SluiceError } from '@sluice/core'
import { utf8Bytes } from '@sluice/core/backend'
import type { JobParameters, ParameterValue } from './job-parameters.js'
import type { ArgoWorkerSettings, Overrides } from '../options.js'
import { parameterProblems } from '../template/template-check.js'
import { usesWith } from '../template/template-family.js'
import type { TemplateKnowledge } from '../template/template-source.js'
import { fitBlindly, fitValues, isRisky } from '../template/value-fit.js'

/** Parameters as they are to be sent, or why they can't be. */
export interface FittedParameters {
  readonly parameters: JobParameters
  /** One line each. */
  readonly problems: readonly string[]
  /** The template as JSON, where it is known: it shares the room of a workflow. */
  readonly templateBytes: number
}

export interface FitInput {
  readonly itemId: string
  readonly values: ReadonlyMap<string, ParameterValue>
  readonly overrides: Overrides
  /** Those that the template must have, whatever `unknownFields` says: the overrides. */
  readonly mustHave?: readonly string[]
  /** See {@link ParameterMaker.whyMissing}. */
  readonly whyMissing?: (name: string) => string | undefined
}

type FitSettings = Pick<ArgoWorkerSettings, 'unknownFields' | 'maxParameterBytes' | 'template'>

/**
 * Checks the values of one item against what is known of the template.
 *
 * @throws SluiceError SLUICE_WORKER_UNAVAILABLE where a value can't be sent without knowing the template, and
 * that may be known later; SLUICE_WORKER_DENIED where the token is refused
 */
export function fitParameters(
  knowledge: TemplateKnowledge,
  input: FitInput,
  settings: FitSettings,
): FittedParameters {
  const { values, overrides, mustHave = [] } = input
  if (knowledge.kind !== 'known') {
    if (knowledge.kind !== 'denied' && needsTemplate(values)) throw waiting(knowledge, input, settings)
    const { parameters, problems } = fitBlindly(values, settings.maxParameterBytes)
    return { parameters, problems, templateBytes: 0 }
  }
  const { family, parameters: declared } = knowledge
  if (family.unreachable !== undefined && needsTemplate(values))
    throw waiting({ kind: 'unreachable', why: family.unreachable }, input, settings)
  const uses = usesWith(family, overrides)
  const names = new Set(declared.map(({ name }) => name))
  const sent = [...values].filter(([name]) => settings.unknownFields === 'reject' || names.has(name))
  const lacking = settings.unknownFields === 'reject' ? [] : mustHave.filter((name) => !names.has(name))
  const fit = fitValues(new Map(sent), uses, settings.maxParameterBytes)
  const problems = [
    ...parameterProblems(fit.parameters, declared, { ...settings, whyMissing: input.whyMissing }),
    ...lacking.map((name) => `the template has no parameter ${name}, which a retry rule escalates`),
    ...fit.problems,
    ...tooLong(fit.parameters, settings),
  ]
  return { parameters: fit.parameters, problems, templateBytes: uses.bytes }
}

/** Whether it depends on the template how one of the values is to be sent. */
export function needsTemplate(values: ReadonlyMap<string, ParameterValue>): boolean {
  return [...values.values()].some(isRisky)
}

type Unread = Exclude<TemplateKnowledge, { readonly kind: 'known' }>

function waiting(
  { kind, why, retryAfterMs }: Unread,
  { itemId, values }: FitInput,
  { template }: FitSettings,
): SluiceError {
  const names = [...values].filter(([, value]) => isRisky(value)).map(([name]) => name)
  const message =
    `Item ${JSON.stringify(itemId)} waits: Kubernetes may rewrite dollars in ${names.join(', ')}, which depends on template ${template}, ` +
    `and that can't be read (${why}). It can be tried again.`
  const code = kind === 'refused' ? 'SLUICE_WORKER_DENIED' : 'SLUICE_WORKER_UNAVAILABLE'
  // A template that can't be read is the worker's trouble, although only such items have to wait for it.
  return new SluiceError(code, message, {
    itemId,
    concerns: 'worker',
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}

function tooLong(parameters: JobParameters, { maxParameterBytes }: FitSettings): readonly string[] {
  if (maxParameterBytes === undefined) return []
  return [...parameters].flatMap(([name, text]) => {
    const bytes = utf8Bytes(text)
    if (bytes <= maxParameterBytes) return []
    return [
      `parameter ${name} is ${bytes} bytes, and at most ${maxParameterBytes} (maxParameterBytes) are allowed`,
    ]
  })
}
