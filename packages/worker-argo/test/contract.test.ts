import type { JobRef, TroubleConcerns, Worker } from '@sluice/core'
import type { WorkerHarness } from '@sluice/testkit'
import { testWorker } from '@sluice/testkit/vitest'
import { answerWith, type AdmissionRule, type ArgoFault, type ArgoRequest } from '@sluice/fake-argo'
import type { ArgoWorkerOptions } from '../src/index.js'
import { ArgoBench } from './argo-bench.js'

for (const [version, via] of [
  ['3.5.15', 'create'],
  ['4.1.2', 'submit'],
] as const) {
  testWorker(`Argo Workflows ${version}, via ${via}`, async () => {
    const archive = version === '4.1.2'
    const controller = { reconcileDelayMs: 1, output: () => '' }
    const bench = await ArgoBench.start({ version, archive, controller, watching: { logsEveryMs: 5 } })
    return new ArgoHarness(bench, via)
  })
}

const denyTroubled: AdmissionRule = ({ metadata }) =>
  metadata.annotations['sluice/id'] === 'troubled'
    ? { webhook: 'p.example.com', message: 'not on a Friday' }
    : undefined

function failLists({ operation }: ArgoRequest): ArgoFault | undefined {
  return operation === 'ListWorkflows' ? answerWith('unavailable') : undefined
}

class ArgoHarness implements WorkerHarness {
  readonly hasJobUids = true
  readonly #bench: ArgoBench
  readonly #via: 'submit' | 'create'
  readonly #names = new Set<string>()

  constructor(bench: ArgoBench, via: 'submit' | 'create') {
    this.#bench = bench
    this.#via = via
  }

  open(name = 'contract'): Promise<Worker> {
    return this.#open({ name })
  }

  openElsewhere(): Promise<Worker> {
    return this.#open({ name: 'contract', template: 'test-workflow-template-podless', parameters: {} })
  }

  body() {
    return { mode: 'hang' }
  }

  refusedItem() {
    return { id: 'of a mode that there is not', body: { mode: 'dance' } }
  }

  async finish(job: JobRef, how: 'SUCCESS' | 'FAIL'): Promise<void> {
    const { workflows } = this.#bench.server
    workflows.finish(this.#nameOf(job), { phase: how === 'SUCCESS' ? 'Succeeded' : 'Failed' })
  }

  async writeLog(job: JobRef, bytes: Uint8Array): Promise<void> {
    this.#bench.server.workflows.writeLog(this.#nameOf(job), bytes)
  }

  async loseLog(job: JobRef): Promise<void> {
    this.#bench.server.workflows.deletePods(this.#nameOf(job))
  }

  async starts(job: JobRef): Promise<number> {
    await this.#bench.server.settled()
    return [...this.#names].reduce((sum, name) => sum + this.#bench.countOf(job, name), 0)
  }

  readonly overrideName = 'seconds'

  async startedWith(job: JobRef): Promise<string | undefined> {
    return this.#bench.parameterOf(this.#nameOf(job), this.overrideName)
  }

  openUnreachable(): Promise<Worker> {
    return this.#open({ name: 'contract', baseUrl: 'http://127.0.0.1:9' })
  }

  openDenied(): Promise<Worker> {
    return this.#open({ name: 'contract', token: 'not the token' })
  }

  /** Each request is two points to die at: before it arrives, and after it took effect. */
  async openCrashing(point: number) {
    const endpoint = await this.#bench.addEndpoint({
      onRequest: ({ index }) =>
        index === first + Math.floor(point / 2) ? { do: 'crash', applied: point % 2 === 1 } : undefined,
    })
    const first = endpoint.requests.length
    const worker = await this.#open({ name: 'contract', baseUrl: endpoint.url })
    return { worker, crashed: () => endpoint.crashed() }
  }

  /** It waits for a lock that only the test gives. */
  async sendPending(worker: Worker, job: JobRef, message: string): Promise<void> {
    const { id, uid, attempt } = job
    const { controller, workflows } = this.#bench.server
    // Else it may have begun by then.
    controller.pause()
    await worker.sendJob(id, this.body(), { uid, attempt, queue: worker.name })
    workflows.waitForLock(this.#nameOf(job), message)
    controller.resume()
  }

  async begin(job: JobRef): Promise<void> {
    this.#bench.server.workflows.freeLock(this.#nameOf(job))
  }

  /** Lists fail; look-ups by name do not. */
  async openObstructed() {
    const endpoint = await this.#bench.addEndpoint({})
    const worker = await this.#open({ name: 'contract', baseUrl: endpoint.url })
    return {
      worker,
      obstruct: async () => void (endpoint.onRequest = failLists),
      restore: async () => void (endpoint.onRequest = undefined),
    }
  }

  /**
   * A webhook of the cluster denies one item in words of its own; the account loses its role, or
   * kube-apiserver goes; a quota is used up.
   */
  async openTroubledSends(concerns: TroubleConcerns) {
    const worker = await this.#open({ name: 'contract' })
    const { obstruct, restore } = this.#trouble(concerns)
    return { worker, obstruct: async () => obstruct(), restore: async () => restore() }
  }

  #trouble(concerns: TroubleConcerns): { readonly obstruct: () => void; readonly restore: () => void } {
    const { server } = this.#bench
    if (concerns === 'item')
      return {
        obstruct: () => void (server.admission = denyTroubled),
        restore: () => void (server.admission = undefined),
      }
    if (concerns === 'capacity')
      return {
        obstruct: () => void (server.quota = server.workflows.size),
        restore: () => void (server.quota = undefined),
      }
    return this.#via === 'submit'
      ? {
          obstruct: () => void (server.kubernetes = 'refused'),
          restore: () => void (server.kubernetes = 'up'),
        }
      : {
          obstruct: () => void server.access.denied.add('create workflows'),
          restore: () => server.access.denied.clear(),
        }
  }

  async loseJob(job: JobRef): Promise<void> {
    this.#bench.server.operator.delete(this.#nameOf(job))
  }

  close(): Promise<void> {
    return this.#bench.close()
  }

  #nameOf(job: JobRef): string {
    const names = [...this.#names].map((name) => this.#bench.nameOf(job, name))
    const found = names.find((name) => this.#bench.server.workflows.get(name) !== undefined)
    if (found === undefined) throw new Error(`no workflow of ${JSON.stringify(job)}`)
    return found
  }

  #open(more: Partial<ArgoWorkerOptions> & { readonly name: string }): Promise<Worker> {
    this.#names.add(more.name)
    const parameters = { item: { from: '@id', as: 'json' as const }, mode: '$.mode' }
    return this.#bench.open({ parameters, via: this.#via, ...more })
  }
}
