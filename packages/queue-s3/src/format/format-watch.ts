import { SluiceError } from '@sluice/core'
import type { QueueContext } from '../queue-context.js'
import type { Patience } from '../store/sending/patience.js'
import { refusalOf } from './queue-settings.js'
import { placeText } from '../store/s3-errors.js'
import { read } from '../store/storage-op.js'

/**
 * How old the last read of QUEUE may be when an object is created. A drop waits longer than that after it has
 * replaced QUEUE, so that nothing created later lands in a queue that is being deleted.
 */
export const CHECK_EVERY_MS = 2_000

/**
 * Reads the queue's settings again: a newer version may have changed its layout since this process opened it.
 * After the first refusal this process, which does not know the new layout, moves nothing [Q-VERSION-1].
 */
export class FormatWatch {
  readonly #context: QueueContext
  #refusal: SluiceError | undefined
  /** When the latest read that found the layout unchanged began. */
  #checkedAtMonotonic: number
  #checking: Promise<void> | undefined

  /** The queue was opened just now. */
  constructor(context: QueueContext) {
    this.#context = context
    this.#checkedAtMonotonic = this.#now()
  }

  /** @throws SluiceError SLUICE_QUEUE_CORRUPT once {@link FormatWatch.check} has found another layout */
  assertKnown(): void {
    if (this.#refusal !== undefined) throw this.#refusal
  }

  /**
   * One GET, in parallel with other requests of a lease; and a LIST where it finds nothing.
   *
   * @throws SluiceError SLUICE_QUEUE_CORRUPT for another layout than the queue was opened with
   */
  async check(patience: Patience): Promise<void> {
    const { layout, store } = this.#context
    const beganAtMonotonic = this.#now()
    const found = await this.#context.run(read(layout.settings()), patience)
    // An unreadable object is no newer version; other calls report what it costs them.
    const why = found === undefined ? await this.#whyAbsent(patience) : refusalOf(found.content)
    if (why === undefined) {
      this.#checkedAtMonotonic = Math.max(this.#checkedAtMonotonic, beganAtMonotonic)
      return
    }
    const head = `Cannot go on with the queue in ${placeText(store.place)}: it was changed while this process had it open, and now`
    this.#refusal ??= new SluiceError('SLUICE_QUEUE_CORRUPT', `${head} ${why}`)
    throw this.#refusal
  }

  /**
   * Before an object is created: reads QUEUE, unless it was read within the last two seconds. One GET for all
   * creations at a time.
   *
   * @throws SluiceError as {@link FormatWatch.check}
   */
  async assertFresh(patience: Patience): Promise<void> {
    this.assertKnown()
    if (this.#now() - this.#checkedAtMonotonic < CHECK_EVERY_MS) return
    this.#checking ??= this.check(patience).finally(() => (this.#checking = undefined))
    await this.#checking
  }

  /** A listing must confirm it: what this process refuses now it refuses for good. */
  async #whyAbsent(patience: Patience): Promise<string | undefined> {
    const { layout, store } = this.#context
    const page = await store.list({ prefix: layout.settings(), max: 1 }, patience)
    return page.objects.some(({ key }) => key === layout.settings()) ? undefined : GONE
  }

  #now(): number {
    return this.#context.store.clock.monotonicMs()
  }
}

const GONE =
  'its object QUEUE is gone: the queue was dropped, or the object was deleted. Nothing was changed. Stop this process, or open the queue again to ' +
  'make a new one'
