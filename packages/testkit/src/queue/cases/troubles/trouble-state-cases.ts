import type { DocumentRemoveOptions, DocumentWriteOptions, Lease, Queue, SweepReport } from '@sluice/core'
import { check, resolves, same } from '../../../check.js'
import type { QueueCase } from '../../queue-harness.js'
import { contentOf, oneInEach, settingsOf, taken, written } from '../../queue-walk.js'
import { atEveryTrouble, needsTrouble, titleOf, troubleCase, type TroubledCall } from './trouble-run.js'

const LONG_MS = 3_600_000

/** Q-END-1: the calls that read, and those of control, leases, documents and sweep. */
export const troubleStateCases: readonly QueueCase[] = [
  readTrouble('Q-END-1/o', 'lookup, lookupStatus and the lists', [
    (queue) => queue.lookup('in-FAIL'),
    (queue) => queue.lookup('unknown'),
    (queue) => queue.lookupStatus('in-SUCCESS'),
    (queue) => queue.list('WAITING', { limit: 10 }),
    (queue) => queue.listSummaries('PROCESSING', { limit: 10 }),
  ]),
  readTrouble('Q-END-1/p', 'size, sizes and peek', [
    (queue) => queue.size('FAIL'),
    (queue) => queue.sizes(),
    (queue) => queue.peek(3),
  ]),
  readTrouble('Q-END-1/q', 'control.read, document.read, documents and readLease', [
    (queue) => queue.control.read(),
    async (queue) => (await queue.readLease('unknown'))?.fencingToken,
    async (queue) => queue.document('d').read(),
    async (queue) => queue.document('unknown').read(),
    (queue) => queue.documents(),
  ]),
  {
    id: 'Q-END-1/r',
    title: titleOf('control.pause, resume and setLimits'),
    needs: needsTrouble,
    async run(harness) {
      await atEveryTrouble(harness, PAUSE)
      await atEveryTrouble(harness, RESUME)
      await atEveryTrouble(harness, LIMIT)
    },
  },
  troubleCase('Q-END-1/s', 'control.sync', syncTrouble),
  troubleCase('Q-END-1/t', 'lease, renew and release', () => ({
    call: async (queue, key) => {
      const lease = await queue.lease(`of ${key}`, 'me', LONG_MS)
      const isRenewed = await lease?.renew()
      await lease?.release()
      return isRenewed
    },
    calls: 3,
    repeat: async (healthy, key, end) => {
      if ('value' in end) same(end.value, true, 'it is taken, renewed and given back')
      const mine = await resolves(healthy.lease(`of ${key}`, 'me', LONG_MS), 'the same holder can take it')
      check(mine !== undefined, 'and gets it')
      same(await healthy.lease(`of ${key}`, 'you', LONG_MS), undefined, 'then another one does not')
      await mine?.release()
      const next = await healthy.lease(`of ${key}`, 'you', LONG_MS)
      check(
        next !== undefined && next.fencingToken > (mine?.fencingToken ?? 0),
        'given back it goes on, with a new token',
      )
    },
  })),
  writeTrouble('Q-END-1/u', 'document.write', {}),
  writeTrouble('Q-END-1/v', 'a first document.write', { isFirst: true }),
  writeTrouble('Q-END-1/w', 'document.write under a lease', { isFenced: true }),
  writeTrouble('Q-END-1/x', 'document.remove', { isRemoval: true }),
  writeTrouble('Q-END-1/y', 'document.remove under a lease', { isRemoval: true, isFenced: true }),
  {
    id: 'Q-END-1/z',
    title: titleOf('sweep'),
    needs: (supports, harness) =>
      supports.sweep === true ? needsTrouble(supports, harness) : 'the queue has no sweep',
    async run(harness) {
      await oneInEach(await harness.open())
      await atEveryTrouble(harness, SWEEP)
    },
  },
]

const PAUSE: TroubledCall<void> = {
  call: (queue) => queue.control.pause('too hot'),
  inspect: async (healthy, _, end) => {
    if ('value' in end) same((await settingsOf(healthy)).paused, true, 'it is paused')
  },
  repeat: async (healthy) => {
    await resolves(healthy.control.pause('too hot'), 'it can be paused again')
    const { paused, reason } = await settingsOf(healthy)
    same([paused, reason], [true, 'too hot'], 'and is then')
  },
  finish: (healthy) => healthy.control.resume(),
}

const RESUME: TroubledCall<void> = {
  prepare: (healthy) => healthy.control.pause('too hot'),
  call: (queue) => queue.control.resume(),
  inspect: async (healthy, _, end) => {
    if ('value' in end) same(await settingsOf(healthy), { paused: false, limits: {} }, 'it goes on')
  },
  repeat: async (healthy) => {
    await resolves(healthy.control.resume(), 'it can be resumed again')
    same(await settingsOf(healthy), { paused: false, limits: {} }, 'and goes on then')
  },
}

const LIMIT: TroubledCall<void> = {
  call: (queue, key) => queue.control.setLimits({ [key]: 3 }),
  inspect: async (healthy, key, end) => {
    const limit = (await settingsOf(healthy)).limits[key]
    check(limit === 3 || (limit === undefined && 'error' in end), 'the limit is set, or as before', limit)
  },
  repeat: async (healthy, key) => {
    await resolves(healthy.control.setLimits({ [key]: 3 }), 'it can be set again')
    same((await settingsOf(healthy)).limits[key], 3, 'and is then')
  },
  finish: (healthy, keys) => healthy.control.setLimits(Object.fromEntries(keys.map((key) => [key, null]))),
}

/** It may have no time limit of its own: it can be much work. */
const SWEEP: TroubledCall<SweepReport | undefined> = {
  call: async (queue) => queue.sweep?.({ retentionMs: LONG_MS }),
  unlimited: true,
  repeat: async (healthy, _, end) => {
    if ('value' in end) same(end.value?.removed, 0, 'it removed no item')
    const again = await resolves(healthy.sweep?.() ?? Promise.resolve(undefined), 'it can be repeated')
    same(again?.removed, 0, 'and removes none')
    const others = { WAITING: ['in-WAITING'], PROCESSING: ['in-PROCESSING'], SUCCESS: ['in-SUCCESS'] }
    same(await contentOf(healthy), { ...others, FAIL: ['in-FAIL'] }, 'each item is where it was')
  },
}

/** Reads one after the other; what is read with a healthy queue is what the call may give. */
function readTrouble(
  id: string,
  verb: string,
  reads: readonly ((queue: Queue) => Promise<unknown>)[],
): QueueCase {
  return {
    id,
    title: titleOf(verb),
    needs: needsTrouble,
    async run(harness) {
      const queue = await harness.open()
      await oneInEach(queue)
      await written(queue, 'd', { n: 1 })
      for (const read of reads) {
        await atEveryTrouble(harness, {
          call: read,
          repeat: async (healthy, _, end) => {
            const now = await resolves(read(healthy), 'it can be repeated')
            if ('value' in end) same(end.value, now, 'it gives what is there')
          },
        })
      }
      same(await queue.sizes(), { WAITING: 1, PROCESSING: 1, SUCCESS: 1, FAIL: 1 }, 'nothing moved')
    },
  }
}

function syncTrouble(): TroubledCall<number> {
  const given = new Set<number>()
  return {
    call: (queue) => queue.control.sync(),
    repeat: async (healthy, _, end) => {
      const { syncs = 0 } = await healthy.control.read()
      const numbers = 'value' in end ? [end.value] : []
      numbers.push(await resolves(healthy.control.sync(), 'the next sync works'))
      check((numbers.at(-1) ?? 0) > syncs, 'and gives a higher number than was read', [syncs, ...numbers])
      for (const number of numbers) {
        check(!given.has(number), 'each sync has a number of its own', number)
        given.add(number)
      }
      same((await healthy.control.read()).syncs, numbers.at(-1), 'it is read')
    },
  }
}

interface Written {
  readonly isFirst?: boolean
  readonly isFenced?: boolean
  readonly isRemoval?: boolean
}

function writeTrouble(id: string, verb: string, kind: Written): QueueCase {
  return {
    id,
    title: titleOf(verb),
    needs: needsTrouble,
    async run(harness) {
      const lease = kind.isFenced === true ? await taken(await harness.open(), 'me', LONG_MS) : undefined
      await atEveryTrouble(harness, writing(kind, lease))
    },
  }
}

function writing({ isFirst, isRemoval }: Written, lease: Lease | undefined): TroubledCall<boolean> {
  const versions = new Map<string, number>()
  const fencingToken = lease === undefined ? {} : { lease }
  return {
    prepare: async (healthy, keys) => {
      if (isFirst === true) return
      for (const key of keys) versions.set(key, (await written(healthy, key, 'old')).version)
    },
    call: async (queue, key) => {
      const document = queue.document(key)
      const ifVersion = versions.get(key)
      const write: DocumentWriteOptions = { ...fencingToken, ifVersion }
      const remove: DocumentRemoveOptions = { ...fencingToken, ...(ifVersion !== undefined && { ifVersion }) }
      return isRemoval === true ? document.remove(remove) : document.write('new', write)
    },
    repeat: async (healthy, key, end) => {
      const [old, changed] = [isFirst === true ? undefined : 'old', isRemoval === true ? undefined : 'new']
      if ('value' in end) same(end.value, true, 'no other process wrote it: it is done, and says so')
      const found = await healthy.document(key).read()
      const isWhole = found?.value === changed || ('error' in end && found?.value === old)
      check(isWhole, 'value' in end ? 'it is changed' : 'it is changed, or as before', found)
      const before = versions.get(key)
      if (found?.value === 'old') same(found.version, before, 'as before, with its version')
      if (found?.value === 'new' && before !== undefined) same(found.version, before + 1, 'one version on')
      same(await healthy.documents(key), found === undefined ? [] : [key], 'and the list says the same')
      await goesOn(healthy, key, found?.version)
    },
  }
}

async function goesOn(healthy: Queue, name: string, ifVersion: number | undefined): Promise<void> {
  const document = healthy.document(name)
  same(await resolves(document.write('next', { ifVersion }), 'the next write works'), true, 'and is done')
  same((await document.read())?.value, 'next', 'it is read')
  same(await resolves(document.remove(), 'the next removal works'), true, 'and is done')
}
