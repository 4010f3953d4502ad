import type { DocumentVersion, QueueDocument } from '@sluice/core'
import { at, check, resolves, same } from '../../../check.js'
import type { QueueCase, QueueHarness } from '../../queue-harness.js'
import { written } from '../../queue-walk.js'
import { atEveryPoint, needsCrashing } from '../troubles/crash-points.js'

/** So many that a store which keeps earlier versions must tidy them. */
const MANY_WRITES = 60

/** Q-DOC-2. */
export const documentVersionCases: readonly QueueCase[] = [
  {
    id: 'Q-DOC-2',
    title: 'a write holds only for the version that is there, and makes it exactly one more',
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      const document = queue.document('d')
      same(await document.write('x', { ifVersion: 1 }), false, 'what does not exist has no version')
      same(await document.read(), undefined, 'and nothing was written')
      const { version } = await written(queue, 'd', 'first')
      same(await document.write('second', { ifVersion: version }), true, 'the version that was read: written')
      for (const wrong of [undefined, version, version + 2, version + 1_000]) {
        same(await other.document('d').write('x', { ifVersion: wrong }), false, `version ${wrong}: refused`)
      }
      same(
        await document.read(),
        { value: 'second', version: version + 1 },
        'one more, and no more than that',
      )
      same(await document.write('second', { ifVersion: version }), false, 'the repeat of a write is refused')
      same(await document.write('second', { ifVersion: version + 1 }), true, 'the same value is a write too')
      same(await document.read(), { value: 'second', version: version + 2 }, 'with a version of its own')
    },
  },
  {
    id: 'Q-DOC-2/a',
    title:
      'over removals the version goes on: none comes twice, and a writer from before a removal is refused',
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      const document = queue.document('d')
      same(await document.remove(), false, 'what does not exist is not removed')
      const seen: number[] = []
      for (let round = 0; round < 6; round++) {
        const { version } = await written(round % 2 === 0 ? queue : other, 'd', round)
        same(await document.write([round], { ifVersion: version }), true, 'it is written on')
        seen.push(version, version + 1)
        for (const old of seen.slice(0, -1)) {
          same(await other.document('d').write('x', { ifVersion: old }), false, `version ${old} is over`)
          same(await other.document('d').remove({ ifVersion: old }), false, 'also for a removal')
        }
        same(await document.read(), { value: [round], version: version + 1 }, 'and changed nothing')
        const options = round % 2 === 0 ? {} : { ifVersion: version + 1 }
        same(await other.document('d').remove(options), true, 'its own version, or any, removes it')
        same(await document.read(), undefined, 'then it is gone')
        same(await document.write('x', { ifVersion: version + 1 }), false, 'and has no version')
        same(await document.remove(), false, 'nor is it removed twice')
      }
      const isGrowing = seen.every((version, index) => index === 0 || version > (seen[index - 1] ?? 0))
      check(isGrowing, 'no version came twice, and each was larger than the one before', seen)
    },
  },
  {
    id: 'Q-DOC-2/b',
    title: 'of writes of one version at once, through several Queue objects, exactly one is done',
    async run(harness) {
      const queues = await Promise.all([harness.open(), harness.open(), harness.open(), harness.open()])
      let found: DocumentVersion | undefined
      for (let round = 0; round < 5; round++) {
        const ifVersion = found?.version
        const values = Array.from({ length: 8 }, (_, index) => `${round}-${index}`)
        const ends = await Promise.all(
          values.map((value, index) =>
            at(queues, index % 4, 'a queue')
              .document('d')
              .write(value, { ifVersion }),
          ),
        )
        const winners = values.filter((_, index) => ends[index])
        same(winners.length, 1, `one of eight writes of version ${ifVersion} is done`)
        const now = await queues[0].document('d').read()
        same(now?.value, winners[0], 'it is the one that is read')
        if (ifVersion !== undefined) same(now?.version, ifVersion + 1, 'the version is one more, not eight')
        found = now
      }
    },
  },
  {
    id: 'Q-DOC-2/c',
    title: 'a number that several processes raise at once loses none of their changes',
    async run(harness) {
      const queues = await Promise.all([harness.open(), harness.open(), harness.open()])
      await Promise.all(queues.map((queue) => raise(queue.document('count'), 6)))
      const found = await queues[0].document('count').read()
      same(found?.value, 18, 'three processes raised it by six each')
    },
  },
  {
    id: 'Q-DOC-2/d',
    title: 'writes and removals of one version at once: exactly one of them is done',
    async run(harness) {
      const queues = await Promise.all([harness.open(), harness.open()])
      for (let round = 0; round < 5; round++) {
        const { version: ifVersion } = await written(queues[0], 'd', round)
        const ends = await Promise.all([
          queues[0].document('d').write('mine', { ifVersion }),
          queues[1].document('d').remove({ ifVersion }),
          queues[1].document('d').write('theirs', { ifVersion }),
          queues[0].document('d').remove({ ifVersion }),
        ])
        same(ends.filter(Boolean).length, 1, 'one of four is done')
        const value = (await queues[0].document('d').read())?.value
        same(value, ['mine', undefined, 'theirs', undefined][ends.indexOf(true)], 'what is read says which')
        await queues[0].document('d').remove()
      }
    },
  },
  {
    id: 'Q-DOC-2/e',
    title: `${MANY_WRITES} writes in a row are each read, and end at a version that many higher`,
    async run(harness) {
      const queues = [await harness.open(), await harness.open()] as const
      const { version: first } = await written(queues[0], 'd', 0)
      for (let count = 1; count <= MANY_WRITES; count++) {
        const writer = queues[count % 2 === 0 ? 0 : 1].document('d')
        same(await writer.write(count, { ifVersion: first + count - 1 }), true, `write ${count} is done`)
        if (count % 10 !== 0) continue
        const found = await queues[count % 4 === 0 ? 1 : 0].document('d').read()
        same(found, { value: count, version: first + count }, `after ${count} writes the last one is read`)
      }
      const late = (await harness.open()).document('d')
      const last = { value: MANY_WRITES, version: first + MANY_WRITES }
      same(await late.read(), last, 'a Queue object that is opened later reads the last one')
      same(await queues[0].documents(), ['d'], 'and it is one document still')
      same(await late.remove({ ifVersion: last.version }), true, 'which one removal takes')
      same([await late.read(), await queues[1].documents()], [undefined, []], 'with all its versions')
    },
  },
  {
    id: 'Q-DOC-2/f',
    title: 'a process that dies at any point of a write leaves the old value or the new one, whole',
    needs: needsCrashing,
    run: (harness) => crash(harness, (document, ifVersion) => document.write('new', { ifVersion }), 'new'),
  },
  {
    id: 'Q-DOC-2/g',
    title: 'a process that dies at any point of a first write leaves no document, or the whole one',
    needs: needsCrashing,
    async run(harness) {
      const queue = await harness.open()
      await atEveryPoint(harness, async (crashing, point) => {
        const name = `d${point}`
        // The process dies in it, or it went through: what is stored says which.
        await crashing
          .document(name)
          .write('new', { ifVersion: undefined })
          .catch(() => undefined)
        const left = await queue.document(name).read()
        check(left === undefined || left.value === 'new', 'there is none, or the whole one', left)
        same(await queue.documents(name), left === undefined ? [] : [name], 'and the list says the same')
        await goesOn(queue.document(name), left)
      })
    },
  },
  {
    id: 'Q-DOC-2/h',
    title: 'a process that dies at any point of a removal leaves the document whole, or none',
    needs: needsCrashing,
    run: (harness) => crash(harness, (document, ifVersion) => document.remove({ ifVersion }), undefined),
  },
]

async function crash(
  harness: QueueHarness,
  change: (document: QueueDocument, ifVersion: number) => Promise<boolean>,
  then: string | undefined,
): Promise<void> {
  const queue = await harness.open()
  await atEveryPoint(harness, async (crashing, point) => {
    const name = `d${point}`
    const before = await written(queue, name, 'old')
    // The process dies in it, or it went through: what is stored says which.
    const answered = await change(crashing.document(name), before.version).then(
      () => true,
      () => false,
    )
    const left = await queue.document(name).read()
    const isThere = left?.value === then || (!answered && left?.value === 'old')
    check(isThere, `it reads as ${answered ? 'changed' : 'before, or as changed'}`, left)
    if (left?.value === 'old') same(left, before, 'as before, with its version')
    if (left?.value === 'new') same(left.version, before.version + 1, 'as changed, one version on')
    same(await queue.documents(name), left === undefined ? [] : [name], 'and the list says the same')
    await goesOn(queue.document(name), left)
  })
}

/** The next write and the next removal are done, whatever the dead process left behind. */
async function goesOn(document: QueueDocument, found: DocumentVersion | undefined): Promise<void> {
  const ifVersion = found?.version
  same(await resolves(document.write('next', { ifVersion }), 'the next write works'), true, 'and is done')
  const next = await document.read()
  same(next?.value, 'next', 'it is read')
  same(await resolves(document.remove(), 'the next removal works'), true, 'and is done')
  same(await document.read(), undefined, 'it is gone')
}

/**
 * Raises a number by compare-and-set; bounded, so that a queue which refuses every write fails instead of
 * hanging.
 */
async function raise(document: QueueDocument, times: number): Promise<void> {
  for (let tries = 0, done = 0; done < times; tries++) {
    if (tries > 200)
      throw new Error(`of ${tries} writes ${done} were done: does every writer refuse the other?`)
    const found = await document.read()
    const isDone = await document.write(Number(found?.value ?? 0) + 1, { ifVersion: found?.version })
    if (isDone) done += 1
  }
}
