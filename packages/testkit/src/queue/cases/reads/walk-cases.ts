import { AssertionError } from 'node:assert'
import type { Queue, Settlement } from '@sluice/core'
import { same } from '../../../check.js'
import type { QueueCase, QueueHarness } from '../../queue-harness.js'
import { contentOf, idsOf, jobsOf, recordOf } from '../../queue-walk.js'
import { pick, seededRandom } from '../../../random.js'
import { QueueModel } from './queue-model.js'

const STEPS = 150
const IDS = 12

/** A walk of random calls, held against a model of twenty lines at every step. */
export const walkCases: readonly QueueCase[] = [11, 22, 33].map((seed, index) => ({
  id: `Q-SIZE-1/${'bcd'[index]}`,
  title: `a walk of ${STEPS} random calls (seed ${seed}) answers and ends as a simple model does`,
  run: (harness) => walk(harness, seed),
}))

interface Walk {
  readonly queue: Queue
  readonly model: QueueModel
  readonly random: () => number
}

async function walk(harness: QueueHarness, seed: number): Promise<void> {
  const queues = [await harness.open(), await harness.open()] as const
  const random = seededRandom(seed)
  const model = new QueueModel()
  for (let step = 0; step < STEPS; step++) {
    const queue = pick(queues, random())
    try {
      await take({ queue, model, random })
      same(await queue.sizes(), model.sizes(), 'the sizes are those of the model')
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error)
      throw new AssertionError({ message: `seed ${seed}, step ${step}: ${what}` })
    }
  }
  same(
    await contentOf(queues[0]),
    model.content(),
    `seed ${seed}: at the end each item is where the model has it`,
  )
  for (const { id, stage, attempt, uncounted, retryState } of model.items()) {
    const record = await recordOf(queues[1], id)
    same(
      [record.stage, record.attempt, record.uncounted, record.retryState],
      [stage, attempt, uncounted, retryState],
      `seed ${seed}: at the end ${id} is in the stage, at the attempt and with the retryState that the model has`,
    )
  }
  same(await queues[1].documents(), model.documents(), `seed ${seed}: at the end there are these documents`)
}

const CALLS = [put, put, update, get, get, settle, settle, settle, requeue, remove, write, discard] as const

async function take(walk: Walk): Promise<void> {
  await pick(CALLS, walk.random())(walk)
}

async function put({ queue, model, random }: Walk): Promise<void> {
  const items = Array.from({ length: 1 + Math.floor(random() * 3) }, () => ({
    id: someId(random),
    body: 1,
    priority: Math.floor(random() * 3),
  }))
  const { added, skipped } = await queue.putMany(items)
  const expected = items.filter((item) => !model.put(item.id, item.priority)).map((item) => item.id)
  same([added, idsOf(skipped)], [items.length - expected.length, expected], 'putMany adds what is new')
}

async function update({ queue, model, random }: Walk): Promise<void> {
  const id = someId(random)
  const change = { now: random() < 0.5, ...(random() < 0.5 ? { priority: Math.floor(random() * 3) } : {}) }
  const { now, ...given } = change
  const { updated, skipped } = await queue.update([
    { id, body: 2, ...given, ...(now ? { notBeforeAt: 0 } : {}) },
  ])
  const expected = model.update(id, change)
  const told = skipped[0]?.reason ?? 'updated'
  same([told, updated], [expected, expected === 'updated' ? 1 : 0], `update(${id}) changes it if it waits`)
}

async function get({ queue, model, random }: Walk): Promise<void> {
  const count = Math.floor(random() * 4)
  const given = await queue.get(count)
  const expected = model.get(count)
  // Of items that became available too close together the queue may choose: the model then follows it.
  if (queue.supports.orderPrecisionMs > 0) model.follow(jobsOf(given), expected)
  else same(jobsOf(given), expected, `get(${count}) gives these, in this order`)
}

async function settle({ queue, model, random }: Walk): Promise<void> {
  const outcomes = Array.from({ length: 1 + Math.floor(random() * 3) }, (): Settlement => {
    const id = someId(random)
    const attempt = Math.max(0, model.attempt(id) - (random() < 0.2 ? 1 : 0))
    const stage = pick(['SUCCESS', 'FAIL', 'WAITING'] as const, random())
    return stage === 'WAITING' ? { id, attempt, stage, ...someReturn(random) } : { id, attempt, stage }
  })
  const report = await queue.settle(outcomes)
  const expected = outcomes.flatMap((outcome) => {
    const reason = model.settle(outcome)
    return reason === undefined ? [] : [`${outcome.id}@${outcome.attempt} ${reason}`]
  })
  const refused = report.refused.map(({ id, attempt, reason }) => `${id}@${attempt} ${reason}`)
  same(
    [report.settled, refused.toSorted()],
    [outcomes.length - expected.length, expected.toSorted()],
    `settle(${JSON.stringify(outcomes)}) refuses what the model refuses`,
  )
}

async function requeue({ queue, model, random }: Walk): Promise<void> {
  const id = someId(random)
  const { moved } = await queue.requeue([id])
  same(moved, model.requeue(id) ? 1 : 0, `requeue(${id}) moves it if it is in FAIL`)
}

async function remove({ queue, model, random }: Walk): Promise<void> {
  const id = someId(random)
  const { removed } = await queue.remove([id])
  same(removed, model.remove(id) ? 1 : 0, `remove(${id}) takes it unless it is in PROCESSING`)
}

async function write({ queue, model, random }: Walk): Promise<void> {
  const [name, value] = [someName(random), random()]
  const before = model.document(name)
  const ifVersion = random() < 0.3 ? someVersion(random) : before?.version
  const isWritten = await queue.document(name).write(value, { ifVersion })
  same(
    isWritten,
    model.change(name, value, ifVersion),
    `write(${name}, version ${ifVersion}) is done or refused`,
  )
  await sameDocument({ queue, model, random }, { name, isNew: isWritten && before === undefined })
}

async function discard({ queue, model, random }: Walk): Promise<void> {
  const name = someName(random)
  const ifVersion = random() < 0.3 ? someVersion(random) : model.document(name)?.version
  const isRemoved = await queue.document(name).remove(ifVersion === undefined ? {} : { ifVersion })
  const isThere = ifVersion === undefined ? model.document(name)?.version : ifVersion
  same(isRemoved, model.change(name, undefined, isThere), `remove(${name}, version ${ifVersion})`)
  await sameDocument({ queue, model, random }, { name, isNew: false })
}

async function sameDocument(
  { queue, model }: Walk,
  { name, isNew }: { readonly name: string; readonly isNew: boolean },
): Promise<void> {
  const found = await queue.document(name).read()
  if (isNew) model.chooses(name, found?.version ?? 0)
  same(found, model.document(name), `the document ${name} reads as the model has it`)
}

function someReturn(random: () => number): Omit<Settlement, 'id' | 'attempt' | 'stage'> {
  const plain = { countAttempt: random() < 0.5, keepPlace: random() < 0.5 }
  return random() < 0.5 ? { ...plain, retryState: Math.floor(random() * 100) } : plain
}

function someName(random: () => number): string {
  return `d${Math.floor(random() * 3)}`
}

function someVersion(random: () => number): number | undefined {
  const version = Math.floor(random() * 5)
  return version === 0 ? undefined : version
}

function someId(random: () => number): string {
  return `i${Math.floor(random() * IDS)}`
}
