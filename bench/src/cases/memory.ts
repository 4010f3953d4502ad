import { randomUUID } from 'node:crypto'
import { openQueue } from '@sluice/queue-memory'
import { makeItems, type BenchItem } from '../adapter.ts'
import { rotated, sized, type Bench, type BenchCase } from '../bench-case.ts'
import { measure } from '../meter.ts'

const ITEMS = 200_000

interface Contender {
  readonly name: string
  put(item: BenchItem): Promise<void>
  take(): Promise<string | undefined>
  finish(id: string): Promise<void>
  lookup(id: string): Promise<unknown>
}

/**
 * The queue in memory beside three of a bare Map and an array, behind methods that return promises as a
 * queue's do: one that keeps next to nothing, one that shares no object with its callers, and one that keeps
 * of each item what the queue keeps. None of them checks what it is given, or has priorities, delays, fences,
 * lists of a stage, or sizes.
 */
export const memory: BenchCase = {
  name: 'memory',
  title: 'In memory: put, get(1) + success, lookup',
  run: async (bench) => {
    const makers = [bareMap(false), bareMap(true), keepingMap, queueMemory]
    for (let repeat = 0; repeat < bench.repeats; repeat++) {
      for (const make of rotated(makers, repeat)) await runOne(bench, await make(), repeat)
    }
  },
}

async function runOne(bench: Bench, contender: Contender, repeat: number): Promise<void> {
  const items = makeItems(sized(bench, ITEMS))
  const note = async (cell: string, work: () => Promise<void>): Promise<void> => {
    const cost = await measure(undefined, async () => {
      await work()
      return items.length
    })
    bench.note({ case: 'memory', cell, adapter: contender.name, repeat, ...cost })
  }
  await note('put', async () => {
    for (const item of items) await contender.put(item)
  })
  await note('get(1) + success', async () => {
    for (let id = await contender.take(); id !== undefined; id = await contender.take())
      await contender.finish(id)
  })
  await note('lookup', async () => {
    for (const { id } of items) await contender.lookup(id)
  })
}

/**
 * @param copies whether bodies are kept as JSON text, as a queue must that shares no object with its callers
 */
function bareMap(copies: boolean): () => Promise<Contender> {
  return async () => {
    const stages = new Map<string, { stage: string; body: unknown }>()
    const line: string[] = []
    let head = 0
    return {
      name: copies ? 'Map and array, bodies as text' : 'Map and array',
      put: async ({ id, body }) => {
        stages.set(id, { stage: 'WAITING', body: copies ? JSON.stringify(body) : body })
        line.push(id)
      },
      take: async () => {
        const id = line[head++]
        const item = id === undefined ? undefined : stages.get(id)
        if (item === undefined) return undefined
        item.stage = 'PROCESSING'
        if (copies && typeof item.body === 'string') JSON.parse(item.body)
        return id
      },
      finish: async (id) => {
        const item = stages.get(id)
        if (item !== undefined) item.stage = 'SUCCESS'
      },
      lookup: async (id) => stages.get(id)?.stage,
    }
  }
}

interface KeptAttempt {
  readonly attempt: number
  readonly claimedAt: number
  endedAt: number | undefined
  outcome: string | undefined
}

interface KeptItem {
  readonly uid: string
  readonly text: string
  readonly putAt: number
  stage: string
  attempt: number
  finishedAt: number | undefined
  history: readonly KeptAttempt[]
}

const NONE: readonly KeptAttempt[] = []

/** Bodies as text, a uid, instants and the history of attempts; an id that is there is refused. */
async function keepingMap(): Promise<Contender> {
  const base = randomUUID()
  let count = 0
  const items = new Map<string, KeptItem>()
  const line: string[] = []
  let head = 0
  return {
    name: 'Map and array, all that is kept',
    put: async ({ id, body }) => {
      if (items.has(id)) throw new Error(`${id} is there`)
      const text = JSON.stringify(body)
      const putAt = Date.now()
      const uid = `${base}-${++count}`
      items.set(id, { uid, text, putAt, stage: 'WAITING', attempt: 0, finishedAt: undefined, history: NONE })
      line.push(id)
    },
    take: async () => {
      const id = line[head++]
      const item = id === undefined ? undefined : items.get(id)
      if (item === undefined) return undefined
      const claimedAt = Date.now()
      item.stage = 'PROCESSING'
      item.attempt += 1
      const begun = { attempt: item.attempt, claimedAt, endedAt: undefined, outcome: undefined }
      item.history = item.history.length === 0 ? [begun] : [...item.history, begun]
      JSON.parse(item.text)
      return id
    },
    finish: async (id) => {
      const item = items.get(id)
      const last = item?.history.at(-1)
      if (item?.stage !== 'PROCESSING' || last === undefined) throw new Error(`${id} is not in PROCESSING`)
      item.stage = last.outcome = 'SUCCESS'
      item.finishedAt = last.endedAt = Date.now()
    },
    lookup: async (id) => items.get(id)?.stage,
  }
}

async function queueMemory(): Promise<Contender> {
  const queue = await openQueue({ name: 'bench' })
  return {
    name: 'sluice',
    put: ({ id, body }) => queue.put(id, body),
    take: async () => (await queue.get(1))[0]?.id,
    finish: (id) => queue.success(id),
    lookup: (id) => queue.lookupStatus(id),
  }
}
