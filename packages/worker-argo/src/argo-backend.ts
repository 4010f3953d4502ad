import {
  MIN_BYTES_PER_SECOND,
  SecretRegistry,
  SluiceError,
  assertCount,
  assertItemId,
  assertJson,
  baseDirOf,
  checkOptions,
  silentLogger,
  type JobRef,
  type JobReport,
  type JobReports,
  type JobSpec,
  type JsonValue,
  type PackageContext,
  type ProbeSample,
  type ReadLogOptions,
  type CallOptions,
  type Worker,
  type WorkerSupports,
} from '@sluice/core'
import { withAbsolutePaths } from './absolute-paths.js'
import { longestMs, withinCall } from './api/call-time.js'
import { ArgoApi } from './api/argo-api.js'
import { credentialsOf } from './api/credentials.js'
import { FAILURES } from './workflow/failure-class.js'
import { JobLog } from './logs/job-log.js'
import { nameJob, type JobName } from './jobs/job-name.js'
import { optionsSchema, type ArgoWorkerSettings } from './options.js'
import { systemRuntime } from '@sluice/core/backend'
import { selectorOf } from './workflow/workflow-pages.js'
import { partsOf, type WorkerParts } from './backend-parts.js'
import type { Workflow } from './workflow/workflow.js'

const SUPPORTS = {
  durable: true,
  lookupJob: true,
  cancelJob: true,
  watch: true,
  pending: true,
  incompletePolls: true,
  probeSend: true,
  checkItem: true,
  identity: true,
  readLog: true,
  failures: FAILURES,
} as const

/**
 * Opens a worker that makes each item one Argo workflow. It asks the server nothing yet: that is for `check`.
 *
 * @param context its logger is used unless the options have one; what `tokenFile` and `caFile` are relative to, and where `tokenCommand` runs
 * @throws SluiceError SLUICE_CONFIG_INVALID for wrong options, and for a `caFile` that can't be read; SLUICE_WORKER_DENIED for a `token` that no header can have
 */
export async function openWorker(options: unknown, context: PackageContext = {}): Promise<ArgoWorker> {
  const settings = await checkOptions(optionsSchema, options, '@sluice/worker-argo')
  const { logger = context.logger } = settings
  const placed = withAbsolutePaths(settings, context)
  return ArgoWorker.open(logger === undefined ? placed : { ...placed, logger }, context)
}

/**
 * Each item one workflow of a template, made through the REST API of an Argo Server under a name that depends on queue, uid and attempt
 * alone. See {@link openWorker}.
 */
export class ArgoWorker implements Worker {
  readonly name: string
  readonly supports: WorkerSupports
  /** Of one call, and of one that reads a list too. */
  readonly #limitMs: number
  readonly #listLimitMs: number
  readonly #parts: WorkerParts
  readonly #closing: AbortController
  #toldSelector = false

  private constructor(parts: WorkerParts, closing: AbortController) {
    this.#parts = parts
    this.#closing = closing
    this.name = parts.settings.name
    const { listTimeoutMs } = parts.settings
    this.#limitMs = callLimitMs(parts.settings)
    this.#listLimitMs = listTimeoutMs + this.#limitMs
    this.supports = { ...SUPPORTS, longestCallMs: longestMs(this.#listLimitMs) }
  }

  /**
   * As {@link openWorker}, with options that were checked.
   *
   * @param context where `tokenCommand` runs, and what takes the tokens that are read
   */
  static async open(settings: ArgoWorkerSettings, context: PackageContext = {}): Promise<ArgoWorker> {
    const { runtime = systemRuntime, logger = silentLogger } = settings
    const { secrets = new SecretRegistry() } = context
    const credentials = credentialsOf(settings, {
      runtime,
      secrets,
      commandDir: baseDirOf(context, 'tokenCommand'),
      tokenPlace: context.placeOf?.(['token']),
    })
    const api = await ArgoApi.open(settings, { credentials, runtime, secrets })
    const closing = new AbortController()
    return new ArgoWorker(partsOf({ settings, api, runtime, logger, closing: closing.signal }), closing)
  }

  /**
   * The namespace, and the uid of the template, by which one cluster is told from another; the namespace alone where the template may not be read.
   * Read with the template: by `check`, the first poll or the first send [W-ID-1].
   */
  get identity(): string | undefined {
    const { settings, template } = this.#parts
    const { place } = template
    if (place === undefined) return undefined
    return `argo:${settings.namespace}${place.uid === undefined ? '' : `/${place.uid}`}`
  }

  /**
   * Makes the workflow of an item. Returned, it is there, once, whatever was lost on the way: where an answer leaves that open, Argo is
   * asked by the workflow's name before this answers [W-SEND-1].
   *
   * @throws SluiceError SLUICE_JOB_REJECTED when no parameters can be made of the body, the template doesn't take them, or Argo will never
   * accept the workflow; SLUICE_WORKER_UNAVAILABLE for every trouble that may pass, with `retryAfterMs` if it was said;
   * SLUICE_WORKER_DENIED; SLUICE_WORKER_CLOSED. TypeError for a wrong argument. `concerns` says whose trouble it is, where the answer tells: the
   * item's, the worker's, or that there is no room [W-SEND-2]
   */
  async sendJob(id: string, body: JsonValue, spec: JobSpec): Promise<void> {
    const job = this.#nameOf({ id, uid: spec.uid, attempt: spec.attempt })
    if (spec.queue !== this.name) {
      const names = `${JSON.stringify(this.name)}; the job is of ${JSON.stringify(spec.queue)}`
      throw new TypeError(`this worker is of queue ${names}`)
    }
    assertJson(body)
    await withinCall(`send item ${JSON.stringify(id)}`, this.#limitMs, () =>
      this.#parts.sender.send({ job, body, spec }),
    )
  }

  /**
   * Every workflow of the queue that isn't finished, and every finished one that this process has followed and that isn't forgotten.
   * Other finished ones: those asked for by `lookupJob`; without `awaited`, the latest hundred too [W-POLL-1].
   *
   * @param awaited the jobs that the queue waits for
   * @returns with `complete: false` where no list was read whole in it: the awaited jobs were asked for by name then, as far as
   * `lookupsPerSecond` goes, and all others are as last known [W-POLL-2]
   * @throws SluiceError SLUICE_WORKER_UNAVAILABLE where neither lists nor single questions are answered; SLUICE_WORKER_DENIED
   */
  async pollAllStatus(awaited?: readonly JobRef[]): Promise<JobReports> {
    this.#assertOpen()
    return withinCall('poll the workflows', this.#listLimitMs, async () => {
      const { poller, template } = this.#parts
      const reports = await poller.poll(awaited)
      // Sends read it anyway. Whoever polls may first want to know whose jobs these are.
      if (template.place === undefined) await template.current()
      return reports
    })
  }

  /**
   * How the job is by Argo's own word: live, or else out of the archive; `undefined` when neither has it [W-LOOK-1]. It waits its turn
   * where `lookupsPerSecond` is used up.
   */
  async lookupJob(ref: JobRef): Promise<JobReport | undefined> {
    const job = this.#nameOf(ref)
    return withinCall(`look workflow ${job.workflow} up`, this.#limitMs, () => this.#lookup(job))
  }

  async #lookup(job: JobName): Promise<JobReport | undefined> {
    const { reader, keeper, ledger, lookups } = this.#parts
    this.#assertNotLimited(job, lookups.restMs)
    const found = await lookups.run(() => reader.find(job, ledger.seenOf(job)))
    if (found.kind === 'ours') return keeper.noteAnswer(ledger.entry(job), found.workflow, true)
    if (found.kind === 'stranger') keeper.tellStranger(job.workflow)
    // One that may have been sent is to be remembered as such.
    if (ledger.get(job)?.doubtful !== true) ledger.drop(job)
    return undefined
  }

  /**
   * Terminates the workflow, or stops it, as `cancel` says. It then reports an end: FAIL of class `killed`, or SUCCESS with a note in the
   * details where its program ended well all the same. One that waits for a lock or a slot is PROCESSING until it gets it, and its
   * message says so [W-STOP-1].
   */
  async cancelJob(ref: JobRef, reason: string): Promise<void> {
    const job = this.#nameOf(ref)
    await withinCall(`cancel workflow ${job.workflow}`, this.#limitMs, () =>
      this.#parts.ender.cancel(job, reason),
    )
  }

  /**
   * Takes jobs whose outcomes are stored out of what is polled. If `deleteFinished` says so their workflows are deleted from then on, as many
   * a second as `deletionsPerSecond`; those that are still there when the process ends, by the next one.
   */
  async acknowledgeJobs(refs: readonly JobRef[]): Promise<void> {
    for (const job of refs.map((ref) => this.#nameOf(ref))) this.#parts.ender.forget(job)
  }

  /**
   * Finds out whether a job could be sent now, by a submit (or create) that Kubernetes carries out as a dry run: nothing is stored. The
   * permission to create, quotas, policies and webhooks are all gone through [W-PROBE-1].
   *
   * @param sample an item that was sent well; default what this object sent last
   * @throws SluiceError as `sendJob` does, but not for the sample itself; SLUICE_WORKER_UNAVAILABLE also where there is nothing to probe with
   */
  async probeSend(sample?: ProbeSample): Promise<void> {
    this.#assertOpen()
    if (sample !== undefined) {
      assertItemId(sample.id)
      assertJson(sample.body)
    }
    await withinCall('probe whether workflows are taken', this.#limitMs, () =>
      this.#parts.probe.probe(sample),
    )
  }

  /**
   * Makes the parameters of an item and holds them against the template, as a send does, and sends nothing. What Argo alone refuses, such as a
   * value that a policy of the cluster denies, shows when it is sent [W-CHECK-1].
   *
   * @throws SluiceError SLUICE_JOB_REJECTED; SLUICE_WORKER_UNAVAILABLE where the template can't be read and the answer depends on it, or where it is the
   * template that doesn't fit the configuration; SLUICE_WORKER_DENIED; SLUICE_WORKER_CLOSED
   */
  async checkItem(id: string, body: JsonValue): Promise<void> {
    this.#assertOpen()
    assertItemId(id)
    assertJson(body)
    await withinCall(`check item ${JSON.stringify(id)}`, this.#limitMs, () =>
      this.#parts.items.check(id, body),
    )
  }

  /**
   * The lines of the container `main` of all pods of the workflow, as Kubernetes has them, each with a line break; where there are several pods, each line begins
   * with its pod's name. Argo hands logs on as lines of text: bytes that aren't UTF-8 and carriage returns before a line break are lost. Kubernetes counts lines
   * and not bytes: for `tailBytes` so many lines are asked for, and their last bytes given. `follow` goes on through streams that break [W-LOG-1].
   *
   * It takes the permissions `pods` watch and list and `pods/log` get; without the last one the server answers as if there were no log.
   *
   * @throws SluiceError SLUICE_ITEM_NOT_FOUND for a job without a workflow, and where its pods are gone: the message says where Argo archived the log
   */
  async *readLog(ref: JobRef, options: ReadLogOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    const job = this.#nameOf(ref)
    const { api, settings, runtime } = this.#parts
    const { signal } = options
    yield* new JobLog({
      api,
      settings,
      runtime,
      job,
      namespace: settings.namespace,
      find: () => this.#findWhole(job),
      ends: signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]),
      assertGoing: () => {
        signal?.throwIfAborted()
        this.#assertOpen()
      },
    }).read(options)
  }

  /** With its nodes. It is only looked at: what polls know of the job stays as it is. */
  async #findWhole(job: JobName): Promise<Workflow | undefined> {
    const { reader, ledger, lookups } = this.#parts
    this.#assertNotLimited(job, lookups.restMs)
    const found = await withinCall(`look workflow ${job.workflow} up`, this.#limitMs, () =>
      lookups.run(() => reader.find(job, ledger.seenOf(job))),
    )
    return found.kind === 'ours' ? found.workflow : undefined
  }

  /** Yields when some workflow of the queue ends. It goes on through everything that ends a stream. */
  watch({ signal }: CallOptions = {}): AsyncIterable<undefined> {
    this.#assertOpen()
    const ends = signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal])
    return this.#parts.watch.listen(ends)
  }

  /**
   * Tries all that the work needs, and changes nothing. The first one that passes logs the label by which `kubectl` finds the workflows, and
   * how many bytes the parameters of one item may have together.
   *
   * @throws SluiceError SLUICE_CONFIG_INVALID when that is no Argo Server, the namespace or the template isn't there, or the parameters don't fit it;
   * SLUICE_WORKER_DENIED that names every missing permission; SLUICE_WORKER_UNAVAILABLE
   */
  async check(): Promise<void> {
    this.#assertOpen()
    const roomBytes = await withinCall('check the access to Argo', this.#listLimitMs, this.#parts.check)
    if (this.#toldSelector) return
    this.#toldSelector = true
    const { settings, logger } = this.#parts
    logger.info({ selector: selectorOf(settings) }, 'the workflows of this queue have this label')
    logger.info({ roomBytes }, 'the bytes of parameters that one item has room for')
  }

  /** Workflows go on, and are found again by the next worker. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort()
    this.#parts.ender.deletions.close()
    await this.#parts.api.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @throws SluiceError SLUICE_WORKER_UNAVAILABLE while the server has asked for no more questions */
  #assertNotLimited(job: JobName, retryAfterMs: number): void {
    if (retryAfterMs <= 0) return
    const message = `Workflow ${job.workflow} is not asked for now: Argo answered 429, and is left alone for ${Math.ceil(retryAfterMs / 1_000)} s.`
    const options = { itemId: job.ref.id, concerns: 'worker', retryAfterMs } as const
    throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', message, options)
  }

  #nameOf(ref: JobRef): JobName {
    this.#assertOpen()
    assertItemId(ref.id)
    if (typeof ref.uid !== 'string' || ref.uid === '')
      throw new TypeError('uid must be a string that is not empty')
    assertCount(ref.attempt, 'attempt')
    return nameJob(this.name, ref)
  }

  #assertOpen(): void {
    if (!this.#closing.signal.aborted) return
    const message = `The worker of queue ${JSON.stringify(this.name)} was closed; open another one.`
    throw new SluiceError('SLUICE_WORKER_CLOSED', message)
  }
}

/** In the course of a call there are a few requests one after the other: a read of the template, a send, a question by name. */
const REQUESTS_OF_CALL = 4

function callLimitMs({ requestTimeoutMs, maxTotalParameterBytes }: ArgoWorkerSettings): number {
  return (
    REQUESTS_OF_CALL * requestTimeoutMs + Math.ceil((maxTotalParameterBytes * 1_000) / MIN_BYTES_PER_SECOND)
  )
}
