import { z } from 'zod'
import type { ArgoApi } from '../api/argo-api.js'
import type { ArgoWorkerSettings } from '../options.js'
import { judgeAction, judgeRead } from '../api/verdict.js'
import { selectorOf } from '../workflow/workflow-pages.js'

const namesSchema = z.object({
  items: z.array(z.object({ metadata: z.object({ name: z.string() }) })).nullish(),
})

/** Of the workflows of this queue the name of one, if there is any. */
async function someWorkflow(api: ArgoApi, settings: ArgoWorkerSettings): Promise<string | undefined> {
  const verdict = judgeRead(
    await api.get(`workflows/${settings.namespace}`, {
      'listOptions.limit': '1',
      'listOptions.labelSelector': selectorOf(settings),
      fields: 'metadata,items.metadata.name',
    }),
  )
  return verdict.kind === 'done'
    ? namesSchema.safeParse(verdict.json).data?.items?.[0]?.metadata.name
    : undefined
}

/**
 * Why logs can't be read, for a warning: only `sluice logs` needs it. It reads a line of a workflow of this
 * queue: for one that is not there the server doesn't check the permission, and a missing `get pods/log` it
 * never reports.
 */
export async function logWarningOf(api: ArgoApi, settings: ArgoWorkerSettings): Promise<string | undefined> {
  const name = await someWorkflow(api, settings)
  if (name === undefined) return undefined
  const query = { 'logOptions.container': 'main', 'logOptions.tailLines': '1' }
  const verdict = judgeRead(await api.get(`workflows/${settings.namespace}/${name}/log`, query))
  if (verdict.kind !== 'denied') return undefined
  return `the logs of jobs can't be read: the token needs watch and list of pods, and get of pods/log (${verdict.why})`
}

/**
 * Why workflows can't be ended, for a warning: only what cancels jobs needs it.
 *
 * @param name of a workflow that is there to be deleted
 */
export async function endWarningOf(
  api: ArgoApi,
  { namespace, cancel }: Pick<ArgoWorkerSettings, 'namespace' | 'cancel'>,
  name: string,
): Promise<string | undefined> {
  const verdict = judgeAction(await api.put(`workflows/${namespace}/${name}/${cancel}`, {}))
  if (verdict.kind !== 'denied') return undefined
  return `jobs can't be cancelled: the token needs patch of workflows (${verdict.why})`
}
