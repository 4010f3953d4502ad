import type { Runtime } from '@sluice/core'
import { batches } from './batch.js'

interface Call<Input, Outcome> {
  readonly input: Input
  readonly resolve: (outcome: Outcome) => void
  readonly reject: (error: unknown) => void
}

export interface CoalescerOptions<Input, Outcome> {
  /** Runs a batch; outcomes are in the order of the inputs. A rejection is that of every call. */
  readonly flush: (inputs: readonly Input[]) => Promise<readonly Outcome[]>
  /** The approximate size of an input in characters. */
  readonly chars: (input: Input) => number
  /** Batches under way at once; more than one where their order doesn't matter. */
  readonly concurrency: number
  readonly runtime: Pick<Runtime, 'yield'>
}

/**
 * Collects single calls into a batch while the one before is under way, so that a hundred callers wait for
 * one commit instead of a hundred. A call that comes while nothing is under way starts at once.
 *
 * Each call settles with its own outcome after its batch is committed.
 */
export class Coalescer<Input, Outcome> {
  readonly #options: CoalescerOptions<Input, Outcome>
  #waiting: Call<Input, Outcome>[] = []
  #flushing = 0
  #underWay = 0

  constructor(options: CoalescerOptions<Input, Outcome>) {
    this.#options = options
  }

  add(input: Input): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ input, resolve, reject })
      // It never rejects: callers get the errors.
      if (this.#flushing < this.#options.concurrency) void this.#flushAll()
    })
  }

  async #flushAll(): Promise<void> {
    this.#flushing += 1
    while (this.#waiting.length > 0) {
      const batch = this.#next()
      this.#underWay += batch.length
      await this.#flush(batch)
      this.#underWay -= batch.length
      // Callers that have their outcomes make their next calls one after another: without this pause the
      // first would make a batch alone.
      if (batch.length > 1) await this.#options.runtime.yield()
    }
    this.#flushing -= 1
  }

  /** An even share for each of the concurrent batches. */
  #next(): Call<Input, Outcome>[] {
    const { chars, concurrency } = this.#options
    const share = Math.ceil((this.#waiting.length + this.#underWay) / concurrency)
    const [batch = []] = batches(this.#waiting.slice(0, share), ({ input }) => chars(input))
    this.#waiting = this.#waiting.slice(batch.length)
    return batch
  }

  async #flush(batch: readonly Call<Input, Outcome>[]): Promise<void> {
    try {
      const outcomes = await this.#options.flush(batch.map(({ input }) => input))
      if (outcomes.length < batch.length) throw new Error('a batch gave too few outcomes')
      for (const [index, outcome] of outcomes.entries()) batch[index]?.resolve(outcome)
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }
}
