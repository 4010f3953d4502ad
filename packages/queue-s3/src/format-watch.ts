import { SluiceError } from '@sluice/core'
import type { Ground } from './ground.js'
import type { Patience } from './patience.js'
import { refusalOf } from './queue-settings.js'
import { placeText } from './s3-errors.js'
import { read } from './storage-op.js'

/**
 * Reads again how the queue is laid out: a newer version may have changed that since this process opened it. From the first refusal on nothing is to
 * be moved by this process, which does not know the new layout [Q-VERSION-1].
 */
export class FormatWatch {
  readonly #ground: Ground
  #refusal: SluiceError | undefined

  constructor(ground: Ground) {
    this.#ground = ground
  }

  /** @throws SluiceError SLUICE_QUEUE_CORRUPT once {@link FormatWatch.look} has found another layout */
  assertKnown(): void {
    if (this.#refusal !== undefined) throw this.#refusal
  }

  /**
   * One GET, beside other requests of a lease.
   *
   * @throws SluiceError SLUICE_QUEUE_CORRUPT for another layout than the queue was opened with
   */
  async look(patience: Patience): Promise<void> {
    const { layout, store } = this.#ground
    const found = await this.#ground.run(read(layout.settings()), patience)
    // Gone, or unreadable: that is no newer version, and what it costs others is for them to say.
    const why = found === undefined ? undefined : refusalOf(found.content)
    if (why === undefined) return
    const head = `Cannot go on with the queue in ${placeText(store.place)}: it was changed while this process had it open, and now`
    this.#refusal ??= new SluiceError('SLUICE_QUEUE_CORRUPT', `${head} ${why}`)
    throw this.#refusal
  }
}
