// A worker whose jobs are Kubernetes Jobs (batch/v1), by Kubernetes' own API.
import { createHash } from 'node:crypto'
import { SluiceError, type CallOptions, type JobRef, type JobReport, type Worker } from '@sluice/core'
import { createWorker, systemRuntime, timeoutSignal } from '@sluice/core/backend'
import type { BackendSupports, CheckedJob, WorkerBackend } from '@sluice/core/backend'

export interface KubernetesWorkerOptions {
  /** Of the queue. */
  readonly name: string
  /** Of the API server, such as `https://kubernetes.default.svc`. */
  readonly baseUrl: string
  readonly namespace: string
  readonly token: string
  /** Runs for each item, with the item's body as JSON in the variable `ITEM`. */
  readonly image: string
  readonly command: readonly string[]
}

export async function openWorker(options: KubernetesWorkerOptions): Promise<Worker> {
  return createWorker(options.name, new KubernetesJobs(options))
}

/** What this worker reads of a Job. */
interface KubernetesJob {
  readonly metadata: {
    readonly uid: string
    readonly creationTimestamp: string
    readonly annotations: Readonly<Record<string, string>>
  }
  readonly status?: { readonly conditions?: readonly Condition[] }
}
type Condition = { readonly [Key in 'type' | 'status' | 'reason' | 'message']?: string }
interface JobList {
  readonly items: readonly KubernetesJob[]
  readonly metadata: { readonly continue?: string }
}

const TIMEOUT_MS = 10_000

class KubernetesJobs implements WorkerBackend {
  readonly supports: BackendSupports = {
    durable: true,
    failures: [{ failureClass: 'failed' }, { failureClass: 'timeout' }],
    longestCallMs: 2 * TIMEOUT_MS,
  }
  readonly #options: KubernetesWorkerOptions

  constructor(options: KubernetesWorkerOptions) {
    this.#options = options
  }

  /**
   * Each send of one attempt has the same name, so the API server refuses the second one itself [W-SEND-1].
   */
  async sendJob(job: CheckedJob): Promise<void> {
    try {
      await this.#call('POST', '', manifest(job, this.#options))
    } catch (error) {
      // A request without an answer may have been obeyed [W-SEND-2].
      const isThere = await this.lookupJob(job).catch(() => undefined)
      if (isThere === undefined) throw error
    }
  }

  /**
   * A list is complete, or it rejects: its pages are of one instant, and a `continue` that is too old is
   * answered 410 [W-POLL-2].
   */
  async pollAllStatus(_: unknown, { signal }: CallOptions): Promise<Map<string, JobReport>> {
    const jobs: KubernetesJob[] = []
    const query = `?labelSelector=${encodeURIComponent(`${QUEUE}=${digest(this.#options.name)}`)}&limit=500`
    for (let cursor: string | undefined = ''; cursor !== undefined; signal?.throwIfAborted()) {
      const page: JobList | undefined = await this.#call<JobList>('GET', `${query}&continue=${cursor}`)
      jobs.push(...(page?.items ?? []))
      cursor = page?.metadata.continue || undefined
    }
    const byItem = Map.groupBy(jobs, ({ metadata }) => metadata.annotations[ID] ?? '')
    return new Map([...byItem].map(([id, all]) => [id, reportOf(all)]))
  }

  async lookupJob(job: JobRef): Promise<JobReport | undefined> {
    const found = await this.#call<KubernetesJob>('GET', `/${nameOf(this.#options.name, job)}`)
    return found && reportOf([found])
  }

  /** The outcome is stored: the Job goes, with its pods [W-POLL-1]. */
  async acknowledgeJobs(jobs: readonly JobRef[]): Promise<void> {
    for (const job of jobs)
      await this.#call('DELETE', `/${nameOf(this.#options.name, job)}?propagationPolicy=Background`)
  }

  async check(): Promise<void> {
    await this.#call('GET', '?limit=1')
  }

  /** @returns `undefined` for what is not there, and for what is there already */
  async #call<T>(method: string, path: string, body?: object): Promise<T | undefined> {
    const { baseUrl, namespace, token } = this.#options
    const url = `${baseUrl}/apis/batch/v1/namespaces/${namespace}/jobs${path}`
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    try {
      const signal = timeoutSignal(systemRuntime, TIMEOUT_MS)
      const response = await fetch(url, {
        method,
        headers,
        signal,
        ...(body && { body: JSON.stringify(body) }),
      })
      const answer = JSON.parse(await response.text())
      if (response.ok) return answer
      if (response.status === 404 || response.status === 409) return undefined
      throw refusal(response, `${method} of Jobs in ${namespace}: ${answer.message}`)
    } catch (error) {
      if (error instanceof SluiceError) throw error
      const message = `Cannot reach ${baseUrl}: check the address and the network`
      throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', message, { cause: error, concerns: 'worker' })
    }
  }
}

function refusal({ status, headers }: Response, message: string): SluiceError {
  const retryAfterMs = Number(headers.get('retry-after') ?? 0) * 1_000
  if (message.includes('exceeded quota'))
    return new SluiceError('SLUICE_WORKER_UNAVAILABLE', message, { concerns: 'capacity' })
  if (status === 401 || status === 403)
    return new SluiceError('SLUICE_WORKER_DENIED', message, { concerns: 'worker' })
  if (status === 400 || status === 413 || status === 422)
    return new SluiceError('SLUICE_JOB_REJECTED', message, { concerns: 'item' })
  return new SluiceError('SLUICE_WORKER_UNAVAILABLE', message, { concerns: 'worker', retryAfterMs })
}

const QUEUE = 'sluice/queue'
const ID = 'sluice/id'
const UID = 'sluice/uid'
const ATTEMPT = 'sluice/attempt'

/** A label and a name hold few characters: a digest fits both. */
function digest(...parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 40)
}

function nameOf(queue: string, { uid, attempt }: JobRef): string {
  return `sluice-${digest(queue, uid, attempt)}`
}

function manifest(job: CheckedJob, { image, command }: KubernetesWorkerOptions): object {
  const { queue, id, uid, attempt, body } = job
  // Kubernetes replaces `$(NAME)` in it, and `$$` by `$`.
  const value = JSON.stringify(body).replaceAll('$', () => '$$')
  const annotations = { [ID]: id, [UID]: uid, [ATTEMPT]: String(attempt) }
  const container = { name: 'main', image, command, env: [{ name: 'ITEM', value }] }
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: nameOf(queue, job), labels: { [QUEUE]: digest(queue) }, annotations },
    // Tries are Sluice's to count: a Job that fails is not run again by Kubernetes.
    spec: { backoffLimit: 0, template: { spec: { restartPolicy: 'Never', containers: [container] } } },
  }
}

/** Of one item's Jobs the latest, with those beside it that still run. */
function reportOf(jobs: readonly KubernetesJob[]): JobReport {
  const [latest, ...others] = jobs.map(stateOf).toSorted(latestFirst)
  if (latest === undefined) throw new TypeError('an item without a Job has no report')
  const earlier = others.filter(({ stage }) => stage === 'PROCESSING')
  return { ...latest, ...(earlier.length > 0 && { earlier }) }
}

function stateOf({ metadata, status }: KubernetesJob): JobReport & { readonly startedAt: number } {
  const { annotations, uid: jobUid, creationTimestamp } = metadata
  const facts = { uid: annotations[UID] ?? '', attempt: Number(annotations[ATTEMPT]), jobUid }
  const job = { ...facts, startedAt: Date.parse(creationTimestamp) }
  const ends = (status?.conditions ?? []).filter((one) => one.status === 'True')
  const failed = ends.find(({ type }) => type === 'Failed')
  if (failed !== undefined) {
    const failureClass = failed.reason === 'DeadlineExceeded' ? 'timeout' : 'failed'
    return { ...job, stage: 'FAIL', failureClass, message: failed.message ?? 'the Job failed' }
  }
  return { ...job, stage: ends.some(({ type }) => type === 'Complete') ? 'SUCCESS' : 'PROCESSING' }
}

/**
 * Of one uid the attempts are in order; an id that was put again has Jobs of two, of which one may run still.
 */
function latestFirst(a: ReturnType<typeof stateOf>, b: ReturnType<typeof stateOf>): number {
  if (a.uid === b.uid) return b.attempt - a.attempt
  return Number(b.stage === 'PROCESSING') - Number(a.stage === 'PROCESSING') || b.startedAt - a.startedAt
}
