import { SluiceError, isSluiceError, type ControlState, type Logger, type Queue } from '@sluice/core'
import type { LeaseKeeper } from '../tick/lease-keeper.js'
import { GUARDS_DOCUMENT } from '../records/document-names.js'
import type { WorkEvent } from '../work-event.js'
import { guardsToJson, NO_GUARDS, parseGuards, type GuardState, type StoredPause } from './guard-document.js'
import {
  fullRow,
  refusalText,
  withRefusal,
  withSuccess,
  type Refusal,
  type RefusalKind,
  type RefusalRow,
} from './refusal-rows.js'
import type { SelfPause } from './self-pause.js'

export interface GuardsOptions {
  readonly queue: Pick<Queue, 'document' | 'control' | 'now'>
  readonly lease: Pick<LeaseKeeper, 'current'>
  readonly logger: Logger
  readonly emit: (event: WorkEvent) => void
  /** The control reads as paused, whether or not the queue is. */
  readonly drain: boolean
}

type Noted = Refusal | { readonly kind: RefusalKind; readonly settlement?: undefined }

/** Another process writes the document only at a resume: two writes in a row do not both meet one. */
const MAX_WRITES = 4

/**
 * Pauses the queue where going on would fail item after item for the same reason. The counts and the pause
 * are in one document of the queue, under the lease, so that restarts and failovers continue from it.
 *
 * The order is: count, pause, settle. A process that dies after counting leaves items in PROCESSING, whose
 * attempts count once however often they are refused; one that dies before pausing leaves a pause that the
 * next engine applies before it sends anything.
 */
export class Guards {
  readonly #options: GuardsOptions
  #fencingToken: number | undefined
  #isKnown = false
  /** The document may have changed since it was read or written last. */
  #isStale = false
  /** Permanently unreadable or unwritable, as without a permission: this engine counts for itself. */
  #isUnusable = false
  #version: number | undefined
  #stored: GuardState = NO_GUARDS
  /** The stored rows with {@link Guards.#noted} applied. */
  #rows: readonly RefusalRow[] = []
  #full: RefusalRow | undefined
  #noted: Noted[] = []
  #pause: StoredPause | undefined
  #isReported = false

  constructor(options: GuardsOptions) {
    this.#options = options
  }

  /** Why Sluice itself has paused the queue, during that pause. */
  get pause(): SelfPause | undefined {
    if (this.#pause === undefined) return undefined
    const { isApplied: _, ...pause } = this.#pause
    return pause
  }

  /** No more jobs may start: a guard has paused the queue, or is about to. */
  get isTripped(): boolean {
    return this.#pause !== undefined || this.#full !== undefined
  }

  /** Since when jobs are refused at their start, by the worker's clock; `undefined`: none are. */
  get startsRefusedSinceAt(): number | undefined {
    const beganAt = this.#rows.flatMap((row) => (row.kind === 'start' ? [row.sinceAt ?? 0] : []))
    return beganAt.length === 0 ? undefined : Math.min(...beganAt)
  }

  /** Reads the document, once for each fencing token. */
  async read(fencingToken: number | undefined): Promise<void> {
    if (fencingToken !== this.#fencingToken) this.#isKnown = this.#isUnusable = this.#isReported = false
    this.#fencingToken = fencingToken
    if (this.#isKnown) return
    this.#noted = []
    await this.#refresh()
    this.#isKnown = true
    this.#report()
  }

  /** An attempt was refused. {@link Guards.record} must come before its settle. */
  noteRefused(refusal: Refusal): void {
    if (this.#pause === undefined) this.#note(refusal)
  }

  /** The worker accepted an item, or a job succeeded. */
  noteSuccess(kind: RefusalKind): void {
    // A full row stays full: a later success was not in between.
    if (this.#pause !== undefined || this.#full !== undefined) return
    if (!this.#rows.some((row) => row.kind === kind)) return
    this.#noted = this.#noted.filter((noted) => noted.kind !== kind)
    this.#note({ kind })
  }

  /**
   * Stores what was noted, and pauses the queue at a full row, before anything of it is settled. Without
   * changes there is no call.
   *
   * @throws SluiceError of the queue: then nothing may be settled; SLUICE_LEASE_LOST when another engine
   * dispatches
   */
  async record(control: ControlState): Promise<void> {
    await this.#store()
    if (this.#pause?.isApplied === false) await this.#apply(control)
  }

  /**
   * Compares the stored pause with the control, once a tick: applies one that an engine left unapplied, and
   * ends one that was resumed.
   *
   * @throws SluiceError as {@link Guards.record}
   */
  async obey(control: ControlState): Promise<void> {
    if (this.#pause === undefined) return
    // `sluice resume` may have removed it, and an operator may have paused the queue again since.
    this.#isStale = !this.#isUnusable
    await this.#store()
    if (this.#pause === undefined) return
    if (!this.#pause.isApplied) await this.#apply(control)
    else if (!control.paused) await this.#end()
  }

  #note(noted: Noted): void {
    this.#noted.push(noted)
    this.#rows = applied(this.#rows, noted)
    this.#full ??= fullRow(this.#rows)
  }

  async #end(): Promise<void> {
    this.#pause = this.#full = undefined
    this.#rows = this.#noted = []
    this.#isReported = false
    await this.#store()
  }

  async #apply(control: ControlState): Promise<void> {
    const pause = this.#pause
    if (pause === undefined) return
    // An operator's own pause keeps its reason.
    const pauses = this.#options.drain || !control.paused
    if (pauses) await this.#options.queue.control.pause(`by Sluice itself: ${pause.reason}`)
    this.#pause = { ...pause, isApplied: true }
    await this.#store()
    // Resumed just before: the resume is the later command.
    if (pauses && this.#pause === undefined) await this.#options.queue.control.resume()
    this.#report()
  }

  #report(): void {
    if (this.#isReported || this.pause === undefined) return
    this.#isReported = true
    this.#options.emit({ kind: 'self-paused', pause: this.pause })
  }

  async #store(): Promise<void> {
    for (let writes = 0; writes < MAX_WRITES; writes++) {
      if (this.#isStale) await this.#refresh()
      if (this.#full !== undefined && this.#pause === undefined)
        this.#pause = await this.#newPause(this.#full)
      const next: GuardState =
        this.#pause === undefined ? { rows: this.#rows } : { rows: [], pause: this.#pause }
      if (this.#isUnusable) this.#noted = []
      if (this.#isUnusable || isSame(next, this.#stored)) return
      if (await this.#write(next)) return
    }
    throw new SluiceError(
      'SLUICE_QUEUE_UNAVAILABLE',
      `Cannot write the document ${GUARDS_DOCUMENT}: another process keeps writing it; it is tried again`,
    )
  }

  async #newPause(row: RefusalRow): Promise<StoredPause> {
    const sinceAt = await this.#options.queue.now()
    return { guard: 'rejections', reason: refusalText(row), sinceAt, example: row.example, isApplied: false }
  }

  async #write(next: GuardState): Promise<boolean> {
    const { queue, lease } = this.#options
    const { current } = lease
    if (current === undefined) throw leaseLost()
    const document = queue.document(GUARDS_DOCUMENT)
    // Until the answer says otherwise: the write may be done although its answer is lost.
    this.#isStale = true
    try {
      if (!(await document.write(guardsToJson(next), { ifVersion: this.#version, lease: current })))
        return false
      // The versions of a document that was removed go on [Q-DOC-2].
      this.#version = this.#version === undefined ? (await document.read())?.version : this.#version + 1
    } catch (error) {
      this.#noteTrouble(error, 'written')
      return true
    }
    this.#stored = next
    this.#noted = []
    this.#isStale = false
    return true
  }

  /** Applies what was noted since the last write: an attempt that is in the document already counts once. */
  async #refresh(): Promise<void> {
    try {
      const found = await this.#options.queue.document(GUARDS_DOCUMENT).read()
      this.#version = found?.version
      this.#stored = parseGuards(found?.value)
    } catch (error) {
      this.#noteTrouble(error, 'read')
      return
    }
    this.#isStale = false
    this.#pause = this.#stored.pause
    this.#rows = this.#noted.reduce(applied, this.#stored.rows)
    this.#full = this.#pause === undefined ? fullRow(this.#rows) : undefined
  }

  #noteTrouble(error: unknown, what: 'read' | 'written'): void {
    if (!isSluiceError(error, 'SLUICE_QUEUE_DENIED') && !isSluiceError(error, 'SLUICE_QUEUE_CORRUPT'))
      throw error
    this.#isUnusable = true
    this.#isStale = false
    this.#options.logger.warn(
      { err: error, document: GUARDS_DOCUMENT },
      `the count of rejections can’t be ${what}: it starts again with each service; the work goes on`,
    )
  }
}

function applied(rows: readonly RefusalRow[], noted: Noted): readonly RefusalRow[] {
  return noted.settlement === undefined ? withSuccess(rows, noted.kind) : withRefusal(rows, noted)
}

function isSame(one: GuardState, other: GuardState): boolean {
  return JSON.stringify(guardsToJson(one)) === JSON.stringify(guardsToJson(other))
}

function leaseLost(): SluiceError {
  return new SluiceError(
    'SLUICE_LEASE_LOST',
    'Cannot count a rejection: the lease is no longer held; the engine that dispatches now goes on',
  )
}
