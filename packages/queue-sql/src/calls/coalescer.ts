import type { Runtime } from '@sluice/core'
import { batches } from './batch.js'

interface Call<Input, Outcome> {
  readonly input: Input
  readonly resolve: (outcome: Outcome) => void
  readonly reject: (error: unknown) => void
}

export interface CoalescerOptions<Input, Outcome> {
  /** Does many at once, in order; its outcomes are in the order of the inputs. A rejection is of all of them. */
  readonly flush: (inputs: readonly Input[]) => Promise<readonly Outcome[]>
  /** Roughly how many characters an input is. */
  readonly chars: (input: Input) => number
  /** Batches under way at once; more than one where their order doesn't matter. */
  readonly concurrency: number
  readonly runtime: Pick<Runtime, 'yield'>
}

/**
 * Makes one batch of the single calls that come in while the batch before is under way, so that a hundred callers wait for one commit
 * instead of a hundred. A call that comes when nothing is under way goes at once: a lone caller waits for nobody.
 *
 * Each caller's promise settles after its own batch is committed, with its own outcome.
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
      // It never rejects: every error goes to the callers.
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
      // Callers that were told of their outcomes come back one after another: without this the first would go alone, and all others wait
      // for its commit.
      if (batch.length > 1) await this.#options.runtime.yield()
    }
    this.#flushing -= 1
  }

  /** An even share for each of the concurrent batches, so that not one takes all callers and another one of them. */
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
