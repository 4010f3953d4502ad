import {
  SluiceError,
  silentLogger,
  type CheckUse,
  type JobRef,
  type JobReport,
  type JobReports,
  type ProbeSample,
  type WorkerUse,
} from '@sluice/core'
import {
  MIN_BYTES_PER_SECOND,
  SecretRegistry,
  baseDirOf,
  systemRuntime,
  type BackendSupports,
  type CheckedJob,
  type CheckedReadLog,
  type WorkerBackend,
} from '@sluice/core/backend'
import { ArgoApi } from './api/argo-api.js'
import { longestMs, withinCall } from './api/call-time.js'
import { credentialsOf } from './api/credentials.js'
import { Deadlines } from './api/deadlines.js'
import { partsOf, type WorkerParts } from './backend-parts.js'
import { nameJob, type JobName } from './jobs/job-name.js'
import { JobLog } from './logs/job-log.js'
import { withAbsolutePaths, type ArgoWorkerSettings } from './options.js'
import { FAILURES } from './workflow/failure-class.js'
import { selectorOf } from './workflow/workflow-pages.js'
import type { Workflow } from './workflow/workflow.js'

const SUPPORTS = {
  durable: true,
  pending: true,
  incompletePolls: true,
  identity: true,
  overrides: true,
  failures: FAILURES,
} as const satisfies BackendSupports

/** A request whose first byte has come ends 10 s after its last one, and this much later at most, in ms. */
const CHECK_DEADLINES_MS = 1_000

/** Asks the server nothing: that is for `check`. */
export async function openBackend(given: ArgoWorkerSettings, use: WorkerUse): Promise<ArgoBackend> {
  const settings = withAbsolutePaths(given, use)
  const { runtime = systemRuntime, logger = use.logger ?? silentLogger } = settings
  const { secrets = new SecretRegistry() } = use
  const credentials = credentialsOf(settings, {
    runtime,
    secrets,
    commandDir: baseDirOf(use, 'tokenCommand'),
    tokenPlace: use.placeOf?.(['token']),
  })
  const ioRuntime = systemRuntime
  const deadlines = new Deadlines(ioRuntime, CHECK_DEADLINES_MS)
  const io = { runtime: ioRuntime, deadlines }
  const api = await ArgoApi.open(settings, { credentials, runtime, io, secrets })
  const closing = new AbortController()
  const parts = partsOf({ settings, api, runtime, ioRuntime, deadlines, logger, closing: closing.signal })
  return new ArgoBackend(parts, closing)
}

/**
 * Makes each item one workflow of a template, through the REST API of an Argo Server, under a name that
 * depends on queue, uid and attempt alone.
 */
export class ArgoBackend implements WorkerBackend {
  readonly supports: BackendSupports
  /** Of one call, and of one that reads a list too. */
  readonly #limitMs: number
  readonly #listLimitMs: number
  readonly #parts: WorkerParts
  readonly #closing: AbortController
  #isSelectorLogged = false

  constructor(parts: WorkerParts, closing: AbortController) {
    this.#parts = parts
    this.#closing = closing
    this.#limitMs = callLimitMs(parts.settings)
    this.#listLimitMs = parts.settings.listTimeoutMs + this.#limitMs
    this.supports = { ...SUPPORTS, longestCallMs: longestMs(this.#listLimitMs) }
  }

  /**
   * The namespace, and the uid of the template, by which one cluster is told from another; the namespace
   * alone where the template may not be read. Read with the template: by `check`, the first poll or the first
   * send [W-ID-1].
   */
  get identity(): string | undefined {
    const { settings, template } = this.#parts
    const { place } = template
    if (place === undefined) return undefined
    return `argo:${settings.namespace}${place.uid === undefined ? '' : `/${place.uid}`}`
  }

  /**
   * Makes the workflow of an item. Returned, it is there, once, whatever was lost on the way: where an answer
   * leaves that open, Argo is asked by the workflow's name before this answers [W-SEND-1].
   *
   * @throws SluiceError SLUICE_JOB_REJECTED when no parameters can be made of the body, the template doesn't
   * take them, or Argo will never accept the workflow; SLUICE_WORKER_UNAVAILABLE for all trouble that may
   * pass, with `retryAfterMs` if it was said; SLUICE_WORKER_DENIED. `concerns` says whose trouble it is,
   * where the answer tells: the item's, the worker's, or that there is no capacity [W-SEND-2]
   */
  sendJob({ id, uid, attempt, body, priority = 0, overrides: jobOverrides }: CheckedJob): Promise<void> {
    const job = this.#nameOf({ id, uid, attempt })
    return this.#within(`send item ${JSON.stringify(id)}`, () =>
      this.#parts.sender.send({ job, body, priority, jobOverrides }),
    )
  }

  /**
   * Every workflow of the queue that isn't finished, and every finished one that this process has followed
   * and that isn't acknowledged. Other finished ones: those asked for by `lookupJob`; without `awaited`, the
   * latest hundred too [W-POLL-1].
   *
   * @param awaited the jobs that the queue waits for
   * @returns with `complete: false` where no list was read whole in it: the awaited jobs were asked for by
   * name then, as far as `lookupsPerSecond` allows, and all others are as last known [W-POLL-2]
   * @throws SluiceError SLUICE_WORKER_UNAVAILABLE where neither lists nor single questions are answered;
   * SLUICE_WORKER_DENIED
   */
  pollAllStatus(awaited?: readonly JobRef[]): Promise<JobReports> {
    return this.#withinList('poll the workflows', async () => {
      const { poller, template } = this.#parts
      const reports = await poller.poll(awaited)
      // Sends read it anyway. A caller that polls first may need the identity.
      if (template.place === undefined) await template.current()
      return reports
    })
  }

  /**
   * How the job is by Argo's own word: live, or else out of the archive; `undefined` when neither has it
   * [W-LOOK-1]. It waits its turn where `lookupsPerSecond` is used up.
   */
  lookupJob(ref: JobRef): Promise<JobReport | undefined> {
    const job = this.#nameOf(ref)
    return this.#within(`look up workflow ${job.workflow}`, () => this.#lookup(job))
  }

  async #lookup(job: JobName): Promise<JobReport | undefined> {
    const { reader, keeper, ledger, lookups } = this.#parts
    this.#assertNotLimited(job, lookups.restMs)
    const found = await lookups.run(() => reader.find(job, ledger.seenOf(job)))
    if (found.kind === 'ours') return keeper.noteAnswer(ledger.entry(job), found.workflow, true)
    if (found.kind === 'foreign') keeper.logForeign(job.workflow)
    // One that may have been sent must be remembered as such.
    if (ledger.get(job)?.doubtful !== true) ledger.drop(job)
    return undefined
  }

  /**
   * Terminates the workflow, or stops it, as `cancel` says. It then reports an end: FAIL of class `killed`,
   * or SUCCESS with a note in the details where its program ended well all the same. One that waits for a
   * lock or a slot is PROCESSING until it gets it, and its message says so [W-STOP-1].
   */
  cancelJob(ref: JobRef, reason: string): Promise<void> {
    const job = this.#nameOf(ref)
    return this.#within(`cancel workflow ${job.workflow}`, () => this.#parts.ender.cancel(job, reason))
  }

  /**
   * Takes jobs whose outcomes are stored out of what is polled. If `deleteFinished` says so their workflows
   * are deleted from then on, as many a second as `deletionsPerSecond`; those that are still there when the
   * process ends, by the next one.
   */
  async acknowledgeJobs(refs: readonly JobRef[]): Promise<void> {
    for (const ref of refs) this.#parts.ender.acknowledge(this.#nameOf(ref))
  }

  /**
   * Finds out whether a job could be sent now, by a submit (or create) that Kubernetes carries out as a dry
   * run: nothing is stored. The permission to create, quotas, policies and webhooks all apply [W-PROBE-1].
   *
   * @param sample an item that was sent without trouble; default what this object sent last
   * @throws SluiceError as `sendJob` does, but not for the sample itself; SLUICE_WORKER_UNAVAILABLE also
   * where there is nothing to probe with
   */
  probeSend(sample?: ProbeSample): Promise<void> {
    return this.#within('probe whether workflows are taken', () => this.#parts.probe.probe(sample))
  }

  /**
   * Makes the parameters of an item and checks them against the template, as a send does, and sends nothing.
   * What Argo alone refuses, such as a value that a policy of the cluster denies, shows when it is sent
   * [W-CHECK-1].
   *
   * @throws SluiceError SLUICE_JOB_REJECTED; SLUICE_WORKER_UNAVAILABLE where the template can't be read and
   * the answer depends on it, or where it is the template that doesn't fit the configuration;
   * SLUICE_WORKER_DENIED
   */
  checkItem(id: string, body: CheckedJob['body']): Promise<void> {
    return this.#within(`check item ${JSON.stringify(id)}`, () => this.#parts.items.check(id, body))
  }

  /**
   * The lines of the container `main` of all pods of the workflow, as Kubernetes has them, each with a line
   * break; where there are several pods, each line begins with its pod's name. Argo hands logs on as lines of
   * text: bytes that aren't UTF-8 and carriage returns before a line break are lost. Kubernetes counts lines
   * and not bytes: for `tailBytes` that many lines are asked for, and their last bytes given. `follow`
   * continues through streams that break [W-LOG-1].
   *
   * It takes the permissions `pods` watch and list and `pods/log` get; without the last one the server
   * answers as if there were no log.
   *
   * @throws SluiceError SLUICE_ITEM_NOT_FOUND for a job without a workflow, and where its pods are gone: the
   * message says where Argo archived the log
   */
  readLog(ref: JobRef, options: CheckedReadLog): AsyncIterable<Uint8Array> {
    const job = this.#nameOf(ref)
    const { api, settings, runtime } = this.#parts
    const { namespace } = settings
    const find = () => this.#findWhole(job)
    return new JobLog({ api, settings, runtime, job, namespace, find, signal: options.signal }).read(options)
  }

  /** With its nodes. What polls know of the job stays as it is. */
  async #findWhole(job: JobName): Promise<Workflow | undefined> {
    const { reader, ledger, lookups } = this.#parts
    this.#assertNotLimited(job, lookups.restMs)
    const found = await this.#within(`look up workflow ${job.workflow}`, () =>
      lookups.run(() => reader.find(job, ledger.seenOf(job))),
    )
    return found.kind === 'ours' ? found.workflow : undefined
  }

  /** Yields when some workflow of the queue ends. It goes on through everything that ends a stream. */
  watch(signal: AbortSignal): AsyncIterable<undefined> {
    return this.#parts.watch.listen(signal)
  }

  /**
   * Tries all that the work needs, and changes nothing. The first one that passes logs the label by which
   * `kubectl` finds the workflows, and how many bytes the parameters of one item may have together.
   *
   * @throws SluiceError SLUICE_CONFIG_INVALID when that is no Argo Server, the namespace or the template
   * isn't there, or the parameters don't fit it; SLUICE_WORKER_DENIED that names every missing permission;
   * SLUICE_WORKER_UNAVAILABLE
   */
  async check(use: CheckUse = {}): Promise<void> {
    const roomBytes = await this.#withinList('check the access to Argo', () => this.#parts.check(use))
    if (this.#isSelectorLogged) return
    this.#isSelectorLogged = true
    const { settings, logger } = this.#parts
    logger.info({ selector: selectorOf(settings) }, 'the workflows of this queue have this label')
    logger.info({ roomBytes }, 'the bytes of parameters that one item has room for')
  }

  /** Workflows go on, and are found again by the next worker. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#parts.ender.deletions.close()
    await this.#parts.api.close()
  }

  /** @throws SluiceError SLUICE_WORKER_UNAVAILABLE while the server has asked for no more questions */
  #assertNotLimited(job: JobName, retryAfterMs: number): void {
    if (retryAfterMs <= 0) return
    const message = `Workflow ${job.workflow} is not asked for now: Argo answered 429, and gets no requests for ${Math.ceil(retryAfterMs / 1_000)} s.`
    const options = { itemId: job.ref.id, concerns: 'worker', retryAfterMs } as const
    throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', message, options)
  }

  #within<T>(doing: string, work: () => Promise<T>): Promise<T> {
    return withinCall({ doing, limitMs: this.#limitMs, deadlines: this.#parts.deadlines }, work)
  }

  #withinList<T>(doing: string, work: () => Promise<T>): Promise<T> {
    return withinCall({ doing, limitMs: this.#listLimitMs, deadlines: this.#parts.deadlines }, work)
  }

  #nameOf(ref: JobRef): JobName {
    return nameJob(this.#parts.settings.name, ref)
  }
}

/** A call makes a few requests one after the other: a read of the template, a send, a question by name. */
const REQUESTS_OF_CALL = 4

function callLimitMs({ requestTimeoutMs, maxTotalParameterBytes }: ArgoWorkerSettings): number {
  return (
    REQUESTS_OF_CALL * requestTimeoutMs + Math.ceil((maxTotalParameterBytes * 1_000) / MIN_BYTES_PER_SECOND)
  )
}
