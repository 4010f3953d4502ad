import { MAX_PAGE_ITEMS, STAGES, type PageOptions, type Queue, type Stage } from '@sluice/core'
import { check, refuses, same, sameMembers } from '../../../check.js'
import { posingAs } from '../../../odd-values.js'
import type { QueueCase } from '../../queue-harness.js'
import { headsOf, idsOf, oneInEach, recordOf, recordsOf } from '../../queue-walk.js'

const PER_STAGE = 15

/** Q-LIST-1. */
export const listCases: readonly QueueCase[] = [
  {
    id: 'Q-LIST-1',
    title: 'with no writer, paging gives every item of a stage once, whatever the size of the pages',
    async run(harness) {
      const queue = await harness.open()
      await fill(queue)
      for (const stage of STAGES) {
        for (const limit of [1, 7, PER_STAGE, PER_STAGE + 1, MAX_PAGE_ITEMS]) {
          const records = await recordsOf(queue, stage, limit)
          sameMembers(
            idsOf(records),
            ids(stage),
            `list of ${stage} by pages of ${limit} gives each item once`,
          )
          const heads = await headsOf(queue, stage, limit)
          sameMembers(
            idsOf(heads),
            ids(stage),
            `listSummaries of ${stage} by pages of ${limit} gives each once`,
          )
        }
      }
    },
  },
  {
    id: 'Q-LIST-1/a',
    title: 'list gives the records that lookup gives, listSummaries their heads',
    async run(harness) {
      const queue = await harness.open()
      await oneInEach(queue)
      for (const stage of STAGES) {
        const record = await recordOf(queue, `in-${stage}`)
        same(await recordsOf(queue, stage), [record], `list of ${stage} gives what lookup gives`)
        const { id, uid, attempt, uncounted, priority } = record
        const [head] = await headsOf(queue, stage)
        const picked = head && {
          id: head.id,
          uid: head.uid,
          stage: head.stage,
          attempt: head.attempt,
          uncounted: head.uncounted,
          priority: head.priority,
        }
        same(
          picked,
          { id, uid, stage, attempt, uncounted, priority },
          `listSummaries of ${stage} gives the head of it`,
        )
      }
    },
  },
  {
    id: 'Q-LIST-1/b',
    title: 'with writers, paging gives every item that stayed in the stage throughout, and none twice',
    async run(harness) {
      const [queue, writer] = [await harness.open(), await harness.open()]
      for (const list of ['list', 'listSummaries'] as const) {
        const stay = Array.from({ length: 20 }, (_, index) => `${list}-stay${index}`)
        const leave = Array.from({ length: 10 }, (_, index) => `${list}-leave${index}`)
        const mixed = stay.flatMap((id, index) => [
          id,
          ...leave.slice(index / 2, index / 2 + ((index + 1) % 2)),
        ])
        await queue.putMany(mixed.map((id) => ({ id, body: 1 })))
        const seen: string[] = []
        let cursor: string | undefined
        for (let page = 0; page < 100; page++) {
          const options: PageOptions = cursor === undefined ? { limit: 4 } : { limit: 4, cursor }
          const { items, cursor: next } = await queue[list]('WAITING', options)
          seen.push(...idsOf(items))
          cursor = next
          if (cursor === undefined) break
          if (page < leave.length)
            await writer.remove([leave[page] ?? '', seen.at(-1) ?? ''].filter((id) => leave.includes(id)))
          if (page < 5) await writer.put(`${list}-new${page}`, 1)
        }
        same(cursor, undefined, 'paging ends although items are put meanwhile')
        sameMembers(
          seen.filter((id) => stay.includes(id)),
          stay,
          `${list} gives each item that stayed, once, although others came and went between the pages`,
        )
        await queue.remove(idsOf(await recordsOf(queue, 'WAITING')))
      }
    },
  },
  {
    id: 'Q-LIST-1/c',
    title: 'a cursor stays good when the items of its page have all left the stage',
    async run(harness) {
      const [queue, writer] = [await harness.open(), await harness.open()]
      await queue.putMany(Array.from({ length: 12 }, (_, index) => ({ id: `i${index}`, body: index })))
      await queue.get(12)
      const first = await queue.listSummaries('PROCESSING', { limit: 5 })
      check(first.cursor !== undefined, 'after five of twelve there is a cursor', first)
      await writer.settle(first.items.map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' })))
      const rest: string[] = []
      let { cursor } = first
      for (let page = 0; cursor !== undefined && page < 50; page++) {
        const next = await queue.listSummaries('PROCESSING', { limit: 5, cursor })
        rest.push(...idsOf(next.items))
        cursor = next.cursor
      }
      const expected = Array.from({ length: 12 }, (_, index) => `i${index}`).filter(
        (id) => !idsOf(first.items).includes(id),
      )
      sameMembers(rest, expected, 'the walk goes on with the other seven, none of them lost')
    },
  },
  {
    id: 'Q-LIST-1/d',
    title: 'an empty stage is one empty page, and the last page has no cursor',
    async run(harness) {
      const queue = await harness.open()
      for (const stage of STAGES) {
        const page = await queue.list(stage, { limit: 5 })
        same([page.items, page.cursor], [[], undefined], `an empty ${stage} is one empty page`)
        const heads = await queue.listSummaries(stage, { limit: 5 })
        same([heads.items, heads.cursor], [[], undefined], `for listSummaries too`)
      }
    },
  },
  {
    id: 'Q-LIST-1/e',
    title: `a limit that is no whole number from 1 to ${MAX_PAGE_ITEMS} is a TypeError`,
    async run(harness) {
      const queue = await harness.open()
      for (const wrong of [
        0,
        -1,
        0.5,
        MAX_PAGE_ITEMS + 1,
        Number.NaN,
        Number.POSITIVE_INFINITY,
        '5',
        undefined,
      ]) {
        const options: PageOptions = { limit: posingAs(wrong) }
        await refuses(() => queue.list('WAITING', options), `list refuses the limit ${String(wrong)}`)
        await refuses(
          () => queue.listSummaries('WAITING', options),
          `listSummaries refuses the limit ${String(wrong)}`,
        )
      }
    },
  },
]

function ids(stage: Stage): string[] {
  return Array.from({ length: PER_STAGE }, (_, index) => `${stage}-${index}`)
}

async function fill(queue: Queue): Promise<void> {
  for (const stage of ['SUCCESS', 'FAIL', 'PROCESSING'] as const) {
    await queue.putMany(ids(stage).map((id) => ({ id, body: { stage } })))
    const items = await queue.get(PER_STAGE)
    if (stage !== 'PROCESSING') await queue.settle(items.map(({ id, attempt }) => ({ id, attempt, stage })))
  }
  await queue.putMany(
    ids('WAITING').map((id, index) => ({ id, body: 1, ...(index % 2 === 0 ? {} : { delayMs: 3_600_000 }) })),
  )
}
