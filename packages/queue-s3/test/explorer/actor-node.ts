import { isSluiceError } from '@sluice/core'
import type { Protocol, StorageOp, StorageReply } from '../../src/store/storage-op.js'

/** A program: makes the same protocol each time. */
export interface Program {
  /** Unique among all programs of an exploration. */
  readonly key: string
  readonly role: string
  readonly make: () => Protocol<unknown>
}

/**
 * How far an actor has come: its program and the replies so far. A generator can't be copied, so it is run
 * again from its start when a node is new; each node is made once.
 */
export class ActorNode {
  static #made = 0
  readonly id = ActorNode.#made++
  readonly program: Program
  /** The next request; absent when it is done. */
  readonly op: StorageOp | undefined
  readonly result: unknown
  readonly #replies: readonly StorageReply[]
  readonly #next = new Map<string, ActorNode>()

  constructor(program: Program, replies: readonly StorageReply[] = []) {
    this.program = program
    this.#replies = replies
    const step = lastStep(program.make(), replies)
    this.op = step.done === true ? undefined : step.value
    this.result = step.done === true ? step.value : undefined
  }

  after(reply: StorageReply): ActorNode {
    const key = JSON.stringify(reply)
    const known = this.#next.get(key)
    if (known !== undefined) return known
    const made = new ActorNode(this.program, [...this.#replies, reply])
    this.#next.set(key, made)
    return made
  }
}

/** What the store refuses for good ends a call by an error. */
function lastStep(
  protocol: Protocol<unknown>,
  replies: readonly StorageReply[],
): IteratorResult<StorageOp, unknown> {
  try {
    let step = protocol.next()
    for (const reply of replies) step = protocol.next(reply)
    return step
  } catch (error) {
    if (!isSluiceError(error)) throw error
    return { done: true, value: { failed: error.code } }
  }
}
