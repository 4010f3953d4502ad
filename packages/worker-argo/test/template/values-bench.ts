import type { JsonValue } from '@sluice/core'
import {
  outcomeWithPods,
  type ArgoTemplate,
  type ControllerSettings,
  type JsonObject,
  type SeenPod,
} from '@sluice/fake-argo'
import type { ArgoWorkerOptions } from '../../src/index.js'
import { ArgoBench, eventually, jobOf } from '../argo-bench.js'

export const V = '{{workflow.parameters.v}}'
export const W = '{{workflow.parameters.w}}'

/** A WorkflowTemplate `places` with the parameters `v` and `w`, neither of which must be given. */
export function templateOf(templates: readonly JsonObject[], more: JsonObject = {}): ArgoTemplate {
  const parameters = ['v', 'w'].map((name) => ({ name, value: '' }))
  const spec = { entrypoint: 'main', arguments: { parameters }, templates, ...more }
  return { kind: 'WorkflowTemplate', metadata: { name: 'places' }, spec }
}

/** A container that gets these texts. */
export function container(fields: JsonObject, more: JsonObject = {}): JsonObject {
  return { name: 'main', container: { image: 'busybox', ...fields }, ...more }
}

/** Sends items to templates of a fake Argo Server, and says what their programs see. */
export class ValuesBench {
  readonly bench: ArgoBench
  #jobs = 0

  private constructor(bench: ArgoBench) {
    this.bench = bench
  }

  static async start(controller: Partial<ControllerSettings> = {}): Promise<ValuesBench> {
    return new ValuesBench(
      await ArgoBench.start({ controller: { reconcileDelayMs: 0, outcome: outcomeWithPods, ...controller } }),
    )
  }

  /** What the pods of one item see. */
  async run(
    templates: readonly ArgoTemplate[],
    body: JsonValue,
    options: Partial<ArgoWorkerOptions> & { readonly id?: string } = {},
  ): Promise<readonly SeenPod[]> {
    const { id = `item-${(this.#jobs += 1)}`, ...more } = options
    for (const template of templates) this.bench.server.templates.put(template)
    const worker = await this.bench.open({ template: templates[0]?.metadata.name ?? '', ...more })
    try {
      const job = jobOf(id)
      await worker.sendJob(id, body, { uid: job.uid, attempt: 1, queue: worker.name })
      let result: unknown
      await eventually(`${id} has ended`, async () => {
        const report = await worker.lookupJob(job)
        if (report?.stage === 'FAIL') throw new Error(`it failed: ${report.message}`)
        result = report?.result
        return report?.stage === 'SUCCESS'
      })
      const pods: readonly SeenPod[] = JSON.parse(String(Reflect.get(Object(result), 'pods')))
      return pods
    } finally {
      await worker.close()
    }
  }

  close(): Promise<void> {
    return this.bench.close()
  }
}
