import type { JsonValue, Runtime } from '@sluice/core'
import type { ArgoApi } from '../api/argo-api.js'
import { DELETE_RULE } from '../jobs/deletion-queue.js'
import { endWarningOf } from './optional-access.js'
import type { ArgoWorkerSettings } from '../options.js'
import { asObject } from '../template/template-places.js'
import type { TemplateKnowledge } from '../template/template-source.js'
import { judgeAction, judgeSend } from '../api/verdict.js'

/** The outcome of trying to delete and to end a workflow. */
export interface EndTrial {
  /** Why deletion is refused; absent where it isn't, or where nothing could be made to try it on. */
  readonly refused?: string
  /** Of what only some uses need. */
  readonly warning?: string | undefined
}

interface TrialParts {
  readonly api: ArgoApi
  readonly settings: Pick<ArgoWorkerSettings, 'namespace' | 'cancel'>
  readonly runtime: Pick<Runtime, 'newId'>
}

/**
 * Tries to delete a workflow, and, where that works, to end another one before it is deleted. Argo has
 * neither a dry run of these nor a way to ask for permissions, and finds the workflow before Kubernetes
 * judges: so workflows are made that do nothing, end soon and expire by their own time to live should they
 * not be deleted.
 */
export async function tryDelete(parts: TrialParts): Promise<EndTrial> {
  const { api, settings } = parts
  const path = `workflows/${settings.namespace}`
  const name = await makeNothing(parts, 120)
  // A policy or a quota may refuse it: then the first deletion shows it.
  if (name === undefined) return {}
  const verdict = judgeAction(await api.delete(`${path}/${name}`))
  if (verdict.kind === 'denied') return { refused: `${verdict.why}; the rule is ${DELETE_RULE}` }
  // This one will be deleted: it must not end before it is told to.
  const other = await makeNothing(parts, 3_600)
  if (other === undefined) return {}
  const warning = await endWarningOf(api, settings, other)
  await api.delete(`${path}/${other}`)
  return { warning }
}

/**
 * @param seconds from its start to its end: were it gone by the time that it is needed, it would show nothing
 */
async function makeNothing(
  { api, settings: { namespace }, runtime }: TrialParts,
  seconds: number,
): Promise<string | undefined> {
  const name = `sluice-check-${runtime.newId()}`
  const spec = {
    entrypoint: 'nothing',
    templates: [{ name: 'nothing', suspend: { duration: String(seconds) } }],
    ttlStrategy: { secondsAfterCompletion: 0 },
  }
  const workflow = { metadata: { name, namespace }, spec }
  const verdict = judgeSend(await api.post(`workflows/${namespace}`, { namespace, workflow }))
  return verdict.kind === 'done' ? name : undefined
}

/**
 * The warning about a time to live that deletes workflows sooner than `deleteGraceMs` allows: by the option
 * `spec`, or by the template. It counts from the end of a workflow, so that this worker can't keep it for
 * longer.
 */
export function ttlWarning(
  { spec, template, deleteGraceMs }: Pick<ArgoWorkerSettings, 'spec' | 'template' | 'deleteGraceMs'>,
  knowledge: TemplateKnowledge,
): string | undefined {
  const own = asObject(spec?.['ttlStrategy'])
  const ofTemplate = knowledge.kind === 'known' ? asObject(knowledge.family.spec['ttlStrategy']) : {}
  const short = Object.entries({ ...ofTemplate, ...own }).flatMap(([field, value]) => {
    const seconds = secondsOf(value)
    return seconds !== undefined && seconds * 1_000 < deleteGraceMs
      ? [`${field}: ${seconds} (of ${field in own ? 'the option spec' : `template ${template}`})`]
      : []
  })
  if (short.length === 0) return undefined
  return (
    `ttlStrategy deletes workflows sooner after their end than deleteGraceMs (${deleteGraceMs} ms) allows: ${short.join(', ')}. An outcome that is not ` +
    'read by then is lost, and a dispatcher that lags behind may start the job of a deleted workflow again; let them live longer'
  )
}

function secondsOf(value: JsonValue | undefined): number | undefined {
  const seconds = typeof value === 'string' && value !== '' ? Number(value) : value
  return typeof seconds === 'number' && Number.isFinite(seconds) ? seconds : undefined
}
