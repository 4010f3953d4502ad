import type { Protocol, StorageReply } from '../store/storage-op.js'

/**
 * What one claim, peek or page reads of large objects: more takes minutes on a slow link, and as much memory.
 * One object is read in any case.
 */
export const MAX_READ_BYTES = 33_554_432

/** The result of a protocol that was not started: those before it have read enough. */
export const LEFT_OUT = 'left out'

/**
 * A number of bytes for several protocols, in the order of `runAll`. A protocol that has begun runs to its
 * end, so those left out are the last ones.
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
