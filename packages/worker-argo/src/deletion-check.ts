import { randomBytes } from 'node:crypto'
import type { JsonValue } from '@sluice/core'
import type { ArgoApi } from './argo-api.js'
import { DELETE_RULE } from './deletion-queue.js'
import type { ArgoWorkerSettings } from './options.js'
import { asObject } from './template-places.js'
import type { TemplateKnowledge } from './template-source.js'
import { judgeAction, judgeSend } from './verdict.js'

/**
 * Tries to delete a workflow. Argo has neither a dry run of a deletion nor a way to ask for permissions, and looks for the workflow before
 * Kubernetes judges: so one is made that does nothing, ends at once and vanishes by its own time to live should it not be deleted.
 *
 * @returns why it is refused; `undefined` where it isn't, or where nothing could be made to try it on
 */
export async function refusedDelete(
  api: ArgoApi,
  { namespace }: ArgoWorkerSettings,
): Promise<string | undefined> {
  const name = `sluice-check-${randomBytes(8).toString('hex')}`
  const spec = {
    entrypoint: 'nothing',
    templates: [{ name: 'nothing', suspend: { duration: '0' } }],
    ttlStrategy: { secondsAfterCompletion: 0 },
  }
  const workflow = { metadata: { name, namespace }, spec }
  const path = `workflows/${namespace}`
  // A policy or a quota may have none of it: then the first deletion tells.
  if (judgeSend(await api.post(path, { namespace, workflow })).kind !== 'done') return undefined
  const verdict = judgeAction(await api.delete(`${path}/${name}`))
  return verdict.kind === 'denied' ? `${verdict.why}; the rule is ${DELETE_RULE}` : undefined
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
