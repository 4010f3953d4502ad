import { SluiceError, isSluiceError, type Logger, type Queue } from '@sluice/core'
import { GUARDS_DOCUMENT } from '../records/document-names.js'
import type { LeaseKeeper } from '../tick/lease-keeper.js'
import { guardsToJson, isSame, parseGuards } from './guard-document.js'
import { NO_GUARDS, type GuardState } from './guard-state.js'
import { withSuccess } from './refusal-rows.js'

export interface GuardStoreOptions {
  readonly queue: Pick<Queue, 'document'>
  readonly lease: Pick<LeaseKeeper, 'current'>
  readonly logger: Logger
}

/** A pure function, which is applied again to what another process has stored meanwhile. */
export type GuardChange = (state: GuardState) => GuardState

/** Another process writes the document only at a resume: two writes in a row do not both meet one. */
const MAX_WRITES = 4

/**
 * The state of the guards in one document of the queue, written under the lease and only where it changed.
 */
export class GuardStore {
  readonly #options: GuardStoreOptions
  #fencingToken: number | undefined
  #isKnown = false
  /** The document may have changed since it was read or written last. */
  #isStale = false
  /** Permanently unreadable or unwritable, as without a permission: this engine counts for itself. */
  #isUnusable = false
  #version: number | undefined
  #stored: GuardState = NO_GUARDS
  #state: GuardState = NO_GUARDS
  #changes: GuardChange[] = []

  constructor(options: GuardStoreOptions) {
    this.#options = options
  }

  /** With all changes. */
  get state(): GuardState {
    return this.#state
  }

  /**
   * Reads the document, once for each fencing token.
   *
   * @returns whether it was read
   */
  async read(fencingToken: number | undefined): Promise<boolean> {
    if (fencingToken !== this.#fencingToken) this.#isKnown = this.#isUnusable = false
    this.#fencingToken = fencingToken
    if (this.#isKnown) return false
    this.#changes = []
    this.#state = NO_GUARDS
    await this.#refresh()
    this.#isKnown = true
    return true
  }

  /** The document is read before it is written next. */
  noteStale(): void {
    this.#isStale = !this.#isUnusable
  }

  change(change: GuardChange): void {
    this.#changes.push(change)
    this.#state = change(this.#state)
  }

  /** A change that follows from the state alone: it is not applied to another one. */
  set(state: GuardState): void {
    this.#state = state
  }

  /**
   * Stores the state. Without changes there is no call.
   *
   * @param decide called before each write: what follows from the state, such as a pause
   * @throws SluiceError of the queue; SLUICE_LEASE_LOST when another engine dispatches
   */
  async store(decide: () => Promise<void>): Promise<void> {
    for (let writes = 0; writes < MAX_WRITES; writes++) {
      if (this.#isStale) await this.#refresh()
      await decide()
      if (this.#isUnusable || this.#state === this.#stored || isSame(this.#state, this.#stored)) {
        this.#changes = []
        return
      }
      if (await this.#write(this.#state)) return
    }
    throw new SluiceError(
      'SLUICE_QUEUE_UNAVAILABLE',
      `Cannot write the document ${GUARDS_DOCUMENT}: another process keeps writing it; it is tried again`,
    )
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
    this.#changes = []
    this.#isStale = false
    return true
  }

  /** Applies what changed since the last write: an attempt that is in the document already counts once. */
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
    this.#state = this.#changes.reduce((state, change) => change(state), this.#withSuccess(this.#stored))
  }

  /** A run without a failure is not stored, nor are its successes. */
  #withSuccess(stored: GuardState): GuardState {
    const { hasSucceeded } = this.#state.run
    if (!hasSucceeded || stored.run.isResumed || stored.pause !== undefined) return stored
    return { ...stored, rows: withSuccess(stored.rows, 'first'), run: { ...stored.run, hasSucceeded } }
  }

  #noteTrouble(error: unknown, what: 'read' | 'written'): void {
    if (!isSluiceError(error, 'SLUICE_QUEUE_DENIED') && !isSluiceError(error, 'SLUICE_QUEUE_CORRUPT'))
      throw error
    this.#isUnusable = true
    this.#isStale = false
    this.#options.logger.warn(
      { err: error, document: GUARDS_DOCUMENT },
      `the count of failures and rejections can’t be ${what}: it starts again with each service; the work goes on`,
    )
  }
}

function leaseLost(): SluiceError {
  return new SluiceError(
    'SLUICE_LEASE_LOST',
    'Cannot count a failure: the lease is no longer held; the engine that dispatches now goes on',
  )
}
