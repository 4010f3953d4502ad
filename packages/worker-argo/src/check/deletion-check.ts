import { randomBytes } from 'node:crypto'
import type { JsonValue } from '@sluice/core'
import type { ArgoApi } from '../api/argo-api.js'
import { DELETE_RULE } from '../jobs/deletion-queue.js'
import { endWarningOf } from './optional-access.js'
import type { ArgoWorkerSettings } from '../options.js'
import { asObject } from '../template/template-places.js'
import type { TemplateKnowledge } from '../template/template-source.js'
import { judgeAction, judgeSend } from '../api/verdict.js'

/** What came of trying to delete and to end a workflow. */
export interface EndTrial {
  /** Why deletion is refused; absent where it isn't, or where nothing could be made to try it on. */
  readonly refused?: string
  /** Of what only some uses need. */
  readonly warning?: string | undefined
}

type TrialSettings = Pick<ArgoWorkerSettings, 'namespace' | 'cancel'>

/**
 * Tries to delete a workflow, and, where that works, to end another one before it is deleted. Argo has neither a dry run of these nor a way to ask for
 * permissions, and looks for the workflow before Kubernetes judges: so workflows are made that do nothing, end soon and vanish by their own time to live
 * should they not be deleted.
 */
export async function tryDelete(api: ArgoApi, settings: TrialSettings): Promise<EndTrial> {
  const path = `workflows/${settings.namespace}`
  const name = await makeNothing(api, settings, 120)
  // A policy or a quota may have none of it: then the first deletion tells.
  if (name === undefined) return {}
  const verdict = judgeAction(await api.delete(`${path}/${name}`))
  if (verdict.kind === 'denied') return { refused: `${verdict.why}; the rule is ${DELETE_RULE}` }
  // This one will be deleted: it is not to end before it is told to.
  const other = await makeNothing(api, settings, 3_600)
  if (other === undefined) return {}
  const warning = await endWarningOf(api, settings, other)
  await api.delete(`${path}/${other}`)
  return { warning }
}

/** @param seconds from its start to its end: were it gone by the time that it is needed, it would tell nothing */
async function makeNothing(
  api: ArgoApi,
  { namespace }: TrialSettings,
  seconds: number,
): Promise<string | undefined> {
  const name = `sluice-check-${randomBytes(8).toString('hex')}`
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
 * What is to be said of a time to live that deletes workflows sooner than `deleteGraceMs` allows: by the option `spec`, or by the template.
 * It counts from the end of a workflow, so that this worker can't keep it for longer.
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
    'read by then is lost, and a dispatcher that lags behind may start the job of a deleted workflow once more; let them live longer'
  )
}

function secondsOf(value: JsonValue | undefined): number | undefined {
  const seconds = typeof value === 'string' && value !== '' ? Number(value) : value
  return typeof seconds === 'number' && Number.isFinite(seconds) ? seconds : undefined
}
