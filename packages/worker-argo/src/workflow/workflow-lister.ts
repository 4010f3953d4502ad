import { isSluiceError, type Runtime, type SluiceError } from '@sluice/core'

/**
 * How long a poll waits for a list, in ms; it waits twice as long as the last one took where none was read
 * whole for ten times as long.
 */
const PATIENCE_MS = 5_000
const PATIENT_EVERY = 10
/**
 * The pause after a list that was given up, in ms: the server continues to work on it. It doubles with each,
 * up to the longest.
 */
const FIRST_PAUSE_MS = 15_000
const MAX_PAUSE_MS = 300_000

/** The outcome of a list, for one poll. */
export type ListOutcome =
  /** It was read whole, and began no earlier than the poll. */
  | { readonly kind: 'read' }
  /** There is none that this poll could use. */
  | { readonly kind: 'late'; readonly why: string }
  | { readonly kind: 'failed'; readonly error: SluiceError }

type ReadList = (signal: AbortSignal) => Promise<void>

export interface ListerParts {
  readonly runtime: Runtime
  /** Times requests, whatever runtime the worker was given. */
  readonly ioRuntime: Runtime
  /** How long one list may take, all its pages together. */
  readonly timeoutMs: number
  /** Reads one of all that is unfinished, and keeps what it shows. */
  readonly read: ReadList
  /** A late one has come. */
  readonly onLate: () => void
}

interface Turn {
  readonly beganAtMonotonic: number
  readonly ended: Promise<ListOutcome>
  late: boolean
}

/**
 * Ensures that there are never two lists at once. The server answers them one after the other, each the
 * slower the more there are, and continues with those that were given up. So one that is late is awaited, up
 * to its deadline, while polls do without; and after one that was given up there is a pause.
 */
export class WorkflowLister {
  readonly #parts: ListerParts
  #turn: Turn | undefined
  /** How long the last one took, and when a poll last used one. */
  #tookMs = 0
  #usedAtMonotonic = Number.NEGATIVE_INFINITY
  #givenUp = 0
  #pause = { untilMonotonic: Number.NEGATIVE_INFINITY, why: '' }

  constructor(parts: ListerParts) {
    this.#parts = parts
  }

  /**
   * Reads a list, or says why this poll has none. @throws what isn't an outage, such as credentials that are
   * refused
   */
  async list(): Promise<ListOutcome> {
    if (this.#turn !== undefined) {
      // It began before this poll: what started since may be missing in it.
      const outcome = await this.#within(this.#turn)
      return outcome.kind === 'read'
        ? { kind: 'late', why: 'the list is one that was begun earlier' }
        : outcome
    }
    const outcome = this.#paused() ?? (await this.#within(this.#begin(this.#parts.read, 'all')))
    if (outcome.kind === 'read') this.#usedAtMonotonic = this.#parts.ioRuntime.monotonicMs()
    return outcome
  }

  /** Reads a list of a few rows in the same turn, unless another one is under way. @throws as `list` does */
  async listSome(read: ReadList): Promise<ListOutcome> {
    if (this.#turn !== undefined) return { kind: 'late', why: 'another list is under way' }
    return this.#paused() ?? this.#within(this.#begin(read, 'some'))
  }

  #paused(): ListOutcome | undefined {
    const pauseMs = this.#pause.untilMonotonic - this.#parts.runtime.monotonicMs()
    if (pauseMs <= 0) return undefined
    return { kind: 'late', why: `the next one is in ${Math.ceil(pauseMs / 1_000)} s: ${this.#pause.why}` }
  }

  #begin(read: ReadList, rows: 'all' | 'some'): Turn {
    const beganAtMonotonic = this.#parts.ioRuntime.monotonicMs()
    const turn = { beganAtMonotonic, ended: this.#read(read, rows), late: false }
    this.#turn = turn
    return turn
  }

  async #read(read: ReadList, rows: 'all' | 'some'): Promise<ListOutcome> {
    const { timeoutMs, ioRuntime } = this.#parts
    const beganAtMonotonic = ioRuntime.monotonicMs()
    const giveUp = new AbortController()
    const over = new AbortController()
    const deadline = ioRuntime.sleep(timeoutMs, over.signal).then(() => giveUp.abort(tooLate(timeoutMs)))
    try {
      await read(giveUp.signal)
      const tookMs = ioRuntime.monotonicMs() - beganAtMonotonic
      if (rows === 'all') this.#tookMs = tookMs
      this.#givenUp = 0
      // A server this slow gets no list for half of the time.
      if (tookMs > PATIENCE_MS) this.#rest(tookMs, 'the last one took long')
      return { kind: 'read' }
    } catch (error) {
      if (giveUp.signal.aborted) this.#giveUp()
      else if (isSluiceError(error) && error.retryAfterMs !== undefined)
        this.#rest(Math.min(error.retryAfterMs, MAX_PAUSE_MS), 'the server asked for it')
      if (!isSluiceError(error, 'SLUICE_WORKER_UNAVAILABLE')) throw error
      return { kind: 'failed', error }
    } finally {
      this.#turn = undefined
      over.abort('read')
      await deadline
    }
  }

  #giveUp(): void {
    this.#rest(Math.min(FIRST_PAUSE_MS * 2 ** this.#givenUp, MAX_PAUSE_MS), 'the last one was given up')
    this.#givenUp += 1
  }

  #rest(ms: number, why: string): void {
    this.#pause = { untilMonotonic: this.#parts.runtime.monotonicMs() + ms, why }
  }

  /** Waits for a list as long as a poll may. */
  async #within(turn: Turn): Promise<ListOutcome> {
    const { beganAtMonotonic, ended } = turn
    const { ioRuntime } = this.#parts
    const over = new AbortController()
    const leftMs = beganAtMonotonic + this.#patienceMs() - ioRuntime.monotonicMs()
    const waited = leftMs > 0 ? ioRuntime.sleep(leftMs, over.signal) : Promise.resolve()
    const outcome = await Promise.race([ended, waited.then(() => undefined)]).finally(() =>
      over.abort('ended'),
    )
    if (outcome !== undefined) return outcome
    // It is not awaited from here on: its outcome is handled when it comes, and its failure shows at the next
    // one.
    if (!turn.late) void this.#awaitLate(turn)
    const soFarMs = ioRuntime.monotonicMs() - beganAtMonotonic
    return { kind: 'late', why: `it has taken ${Math.round(soFarMs / 1_000)} s so far` }
  }

  #patienceMs(): number {
    const due = this.#parts.ioRuntime.monotonicMs() - this.#usedAtMonotonic > this.#tookMs * PATIENT_EVERY
    return due ? Math.max(PATIENCE_MS, this.#tookMs * 2) : PATIENCE_MS
  }

  async #awaitLate(turn: Turn): Promise<void> {
    turn.late = true
    // Why a late list failed changes nothing: the next one is read in its turn, and says so itself.
    const outcome = await turn.ended.catch(() => undefined)
    if (outcome?.kind === 'read') this.#parts.onLate()
  }
}

/** With the name that the transport's own deadlines have. */
function tooLate(timeoutMs: number): Error {
  return new DOMException(`no list within ${timeoutMs} ms`, 'TimeoutError')
}
