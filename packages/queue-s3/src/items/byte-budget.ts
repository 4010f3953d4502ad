import type { Protocol, StorageReply } from '../store/storage-op.js'

/** What one claim, look or page reads of large objects: more takes minutes on a slow link, and as much memory. One object is read in any case. */
export const MAX_READ_BYTES = 33_554_432

/** Of a protocol that did not begin: what those before it have read is enough. */
export const LEFT_OUT = 'left out'

/**
 * So many bytes for several protocols, of which those come first that are first given to `runAll`. Whoever has begun goes on to its end, so those that are
 * left out are the last ones.
 */
export class ByteBudget {
  #left: number

  constructor(bytes = MAX_READ_BYTES) {
    this.#left = bytes
  }

  *within<T>(protocol: Protocol<T>): Protocol<T | typeof LEFT_OUT> {
    if (this.#left <= 0) return LEFT_OUT
    let step = protocol.next()
    while (step.done !== true) {
      const reply: StorageReply = yield step.value
      this.#left -= reply.object?.content.length ?? 0
      step = protocol.next(reply)
    }
    return step.value
  }
}
