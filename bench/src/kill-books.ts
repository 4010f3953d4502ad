import { STAGES, type Queue, type Stage } from '@sluice/core'

/** What came of a load, compared with the queue at its end. */
export interface Verdict {
  readonly claims: number
  /** Items whose put was acknowledged, and which are in no stage. */
  readonly lost: number
  /** (uid, attempt) given out more than once. */
  readonly doubled: number
  /**
   * Items given out again after their success was acknowledged, or found elsewhere than where that put them.
   */
  readonly undone: number
  /** Items in two stages, and items that were never put. */
  readonly strange: number
}

/** What processes have told, counted outside of them. */
export class Books {
  readonly #put = new Set<string>()
  readonly #claims = new Map<string, number>()
  readonly #highest = new Map<string, number>()
  readonly #succeeded = new Map<string, number>()
  #told = 0

  get claims(): number {
    return this.#told
  }

  put(ids: readonly string[]): void {
    for (const id of ids) this.#put.add(id)
  }

  claimed(id: string, uid: string, attempt: number): void {
    const key = `${uid} ${attempt}`
    this.#told += 1
    this.#claims.set(key, (this.#claims.get(key) ?? 0) + 1)
    this.#highest.set(id, Math.max(attempt, this.#highest.get(id) ?? 0))
  }

  settled(id: string, attempt: number, stage: Stage): void {
    if (stage === 'SUCCESS') this.#succeeded.set(id, attempt)
  }

  /** One line of a process of the load. */
  read(line: string): void {
    const [word, id = '', first = '', second = ''] = line.split(' ')
    if (word === 'claim') this.claimed(id, first, Number(second))
    if (word === 'settled')
      this.settled(id, Number(first), STAGES.find((stage) => stage === second) ?? 'FAIL')
  }

  async compare(queue: Queue): Promise<Verdict> {
    const found = new Map<string, { readonly stage: Stage; readonly attempt: number }>()
    let strange = 0
    for (const stage of STAGES) {
      for await (const { id, attempt } of headsOf(queue, stage)) {
        if (found.has(id) || !this.#put.has(id)) strange += 1
        found.set(id, { stage, attempt })
      }
    }
    const undone = [...this.#succeeded].filter(([id, attempt]) => {
      const at = found.get(id)
      return at?.stage !== 'SUCCESS' || at.attempt !== attempt || (this.#highest.get(id) ?? 0) > attempt
    })
    return {
      claims: this.#told,
      lost: [...this.#put].filter((id) => !found.has(id)).length,
      doubled: [...this.#claims.values()].filter((times) => times > 1).length,
      undone: undone.length,
      strange,
    }
  }
}

export async function* headsOf(queue: Queue, stage: Stage) {
  let cursor: string | undefined
  do {
    const page = await queue.listSummaries(stage, {
      limit: 1_000,
      ...(cursor === undefined ? {} : { cursor }),
    })
    yield* page.items
    cursor = page.cursor
  } while (cursor !== undefined)
}
