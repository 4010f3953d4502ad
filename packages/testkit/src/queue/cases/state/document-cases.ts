import type { JsonValue, Queue, QueueSupports } from '@sluice/core'
import { check, refuses, rejects, same } from '../../../check.js'
import { badBodies, badDocumentNames, bodies, oddDocumentNames, posingAs } from '../../../odd-values.js'
import type { QueueCase } from '../../queue-harness.js'
import { checkEmpty, contentOf, getOne, spanOf, written } from '../../queue-walk.js'

const LARGEST_TRIED_BYTES = 16_777_216

/** Q-DOC-1 and Q-DOC-4. */
export const documentCases: readonly QueueCase[] = [
  {
    id: 'Q-DOC-1',
    title: 'a document reads what was written last, through any Queue object, also one that is opened later',
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      const [mine, theirs] = [queue.document('engine/state'), other.document('engine/state')]
      same(mine.name, 'engine/state', 'a document knows its name')
      same([await mine.read(), await theirs.read()], [undefined, undefined], 'at first there is none')
      const first = await written(queue, 'engine/state', { step: 1 })
      same(await theirs.read(), first, 'the other Queue object reads the first value')
      same(await theirs.write({ step: 2 }, { ifVersion: first.version }), true, 'and replaces it')
      const second = { value: { step: 2 }, version: first.version + 1 }
      same(await mine.read(), second, 'the first object reads what the other wrote')
      await queue.close()
      await other.close()
      same(await (await harness.open()).document('engine/state').read(), second, 'it outlives both objects')
    },
  },
  {
    id: 'Q-DOC-1/a',
    title: 'a value of any shape of JSON comes back deep-equal, and belongs to the reader alone',
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      await Promise.all(bodies.map((value, index) => written(queue, `v${index}`, value)))
      for (const [index, value] of bodies.entries()) {
        same(await valueOf(other, `v${index}`), value, `value ${index} comes back as it was written`)
      }
      const mutable = { list: [1] }
      await written(queue, 'own', mutable)
      mutable.list.push(2)
      same(
        await valueOf(queue, 'own'),
        { list: [1] },
        'a later change of the caller’s object changes nothing',
      )
    },
  },
  {
    id: 'Q-DOC-1/b',
    title: 'a value of supports.maxBodyBytes is held; one byte more is a TypeError, and nothing is stored',
    needs: ({ maxBodyBytes }: QueueSupports) =>
      maxBodyBytes > LARGEST_TRIED_BYTES ? `values may be ${maxBodyBytes} bytes, too many to try` : undefined,
    async run(harness) {
      const queue = await harness.open()
      const { maxBodyBytes } = queue.supports
      const largest = 'x'.repeat(maxBodyBytes - 2)
      const { version } = await written(queue, 'large', largest)
      check((await valueOf(await harness.open(), 'large')) === largest, `${maxBodyBytes} bytes come back`)
      for (const over of [`${largest}y`, 'é'.repeat(maxBodyBytes / 2)]) {
        await refuses(() => queue.document('large').write(over, { ifVersion: version }), 'write refuses more')
        await refuses(
          () => queue.document('new').write(over, { ifVersion: undefined }),
          'and as a first value',
        )
      }
      check((await valueOf(queue, 'large')) === largest, 'the stored value is as it was')
      same(await queue.documents(), ['large'], 'and no document came of what was refused')
    },
  },
  {
    id: 'Q-DOC-1/c',
    title: 'what isn’t JSON, and what can’t be a version, is a TypeError, and nothing is stored',
    async run(harness) {
      const queue = await harness.open()
      const document = queue.document('d')
      for (const [what, value, path] of badBodies) {
        const { message } = await refuses(
          () => document.write(posingAs(value), { ifVersion: undefined }),
          `write refuses ${what}`,
        )
        check(message.includes(path), `the refusal of ${what} says where it is: ${path}`, message)
      }
      for (const version of [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, '1', null]) {
        const ifVersion: never = posingAs(version)
        await refuses(() => document.write(1, { ifVersion }), `write refuses the version ${String(version)}`)
        await refuses(() => document.remove({ ifVersion }), `remove refuses the version ${String(version)}`)
      }
      same([await document.read(), await queue.documents()], [undefined, []], 'nothing was stored')
    },
  },
  {
    id: 'Q-DOC-1/d',
    title: 'names of any characters are distinct documents, whatever they have in common',
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      await Promise.all(oddDocumentNames.map((name) => written(queue, name, `of ${name}`)))
      for (const name of oddDocumentNames) {
        same(await valueOf(other, name), `of ${name}`, `${JSON.stringify(name)} has a value of its own`)
      }
      same(await queue.document('a').remove(), true, 'one is removed')
      same(await valueOf(other, 'a'), undefined, 'and read no more')
      const left = oddDocumentNames.filter((name) => name !== 'a')
      for (const name of left) same(await valueOf(other, name), `of ${name}`, 'and no other goes with it')
      same(await other.documents(), byBytes(left), 'they are listed as they were named')
    },
  },
  {
    id: 'Q-DOC-1/e',
    title: 'what can’t be a name, or the beginning of one, is a TypeError',
    async run(harness) {
      const queue = await harness.open()
      for (const [what, name] of badDocumentNames) {
        await refuses(async () => queue.document(posingAs(name)), `document refuses ${what}`)
        // With no argument every document is named; and any name begins with the empty text.
        if (name === undefined || name === '') continue
        await refuses(() => queue.documents(posingAs(name)), `documents refuses ${what}`)
      }
      same(await queue.documents(), [], 'there is no document')
    },
  },
  {
    id: 'Q-DOC-1/f',
    title: 'documents are no items: they are not counted, listed, given out or found by id, nor items read',
    async run(harness) {
      const queue = await harness.open()
      await written(queue, 'both', 'of the document')
      await checkEmpty(queue, 'a document is in no stage')
      same(await queue.sizes(), { WAITING: 0, PROCESSING: 0, SUCCESS: 0, FAIL: 0 }, 'nor counted')
      same([await queue.get(5), await queue.peek(5)], [[], []], 'nor given out')
      same(await queue.lookup('both'), undefined, 'nor looked up')
      await rejects(queue.lookupStatus('both'), 'SLUICE_ITEM_NOT_FOUND', 'nor is there a stage of it')
      await queue.put('both', 'of the item')
      await queue.put('item', 1)
      same(await queue.document('item').read(), undefined, 'an item is no document')
      same(await queue.documents(), ['both'], 'nor listed as one')
      same((await getOne(queue)).body, 'of the item', 'an item of the same name is an item')
      await queue.success('both')
      same((await queue.remove(['both'])).removed, 1, 'and can be removed')
      same(await valueOf(queue, 'both'), 'of the document', 'the document stays')
      same(await queue.document('both').remove(), true, 'and can be removed too')
      same((await contentOf(queue)).WAITING, ['item'], 'which takes no item')
    },
  },
  {
    id: 'Q-DOC-1/g',
    title: 'a sweep, with an age or without, leaves documents alone',
    needs: ({ sweep }: QueueSupports) => (sweep === true ? undefined : 'the queue has no sweep'),
    async run(harness) {
      const queue = await harness.open()
      const kept = await written(queue, 'kept', { n: 1 })
      await written(queue, 'gone', 1)
      await queue.document('gone').remove()
      await harness.passTime(spanOf(queue, 1_000))
      await queue.sweep?.()
      await queue.sweep?.({ retentionMs: 0 })
      same(await queue.document('kept').read(), kept, 'the value and its version are as they were')
      same(await queue.document('gone').read(), undefined, 'what was removed does not come back')
      same(await queue.documents(), ['kept'], 'and the list says so')
      same(
        await queue.document('kept').write(2, { ifVersion: kept.version }),
        true,
        'it can be written still',
      )
    },
  },
  {
    id: 'Q-DOC-4',
    title: 'documents() names those that exist, in the order of their UTF-8 bytes, none that was removed',
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      same(await queue.documents(), [], 'at first there is none')
      // By UTF-16 units 😀 comes before U+FFFF; by bytes it comes after.
      const names = ['b', 'B', 'a/2', 'a/10', 'a', 'é', 'z', '\uffff', '😀', 'a!', '~', ' ']
      for (const name of names) await written(queue, name, name)
      same(await other.documents(), byBytes(names), 'all of them in the order of bytes')
      await other.document('a/10').remove()
      await other.document('😀').remove()
      const left = names.filter((name) => name !== 'a/10' && name !== '😀')
      same(await queue.documents(), byBytes(left), 'what was removed is not named')
      await written(queue, '😀', 'again')
      same(await other.documents(), byBytes([...left, '😀']), 'what was written again is')
    },
  },
  {
    id: 'Q-DOC-4/a',
    title: 'documents(prefix) names those that begin with it, whatever characters it has, each once',
    async run(harness) {
      const queue = await harness.open()
      const names = ['jobs/1', 'jobs/2', 'jobs', 'job', 'JOBS/1', 'jobs%1', 'jobs_1', 'jobs*', 'a/../b', 'ja']
      for (const name of names) {
        const { version } = await written(queue, name, 1)
        await queue.document(name).write(2, { ifVersion: version })
      }
      const wanted: readonly (readonly [prefix: string, ...names: string[]])[] = [
        ['', ...names],
        ['job', 'jobs/1', 'jobs/2', 'jobs', 'job', 'jobs%1', 'jobs_1', 'jobs*'],
        ['jobs/', 'jobs/1', 'jobs/2'],
        ['jobs/1', 'jobs/1'],
        ['jobs%', 'jobs%1'],
        ['jobs_', 'jobs_1'],
        ['jobs*', 'jobs*'],
        ['a/..', 'a/../b'],
        ['%'],
        ['obs'],
        ['jobs/11'],
        ['x'.repeat(128)],
      ]
      for (const [prefix, ...expected] of wanted) {
        same(await queue.documents(prefix), byBytes(expected), `documents(${JSON.stringify(prefix)})`)
      }
    },
  },
  {
    id: 'Q-NAME-1/c',
    title: 'documents are each name’s own',
    async run(harness) {
      const [one, two] = [await harness.open('one'), await harness.open('two')]
      const { version } = await written(one, 'd', 'of one')
      same(await two.document('d').read(), undefined, 'the other queue has none of that name')
      same(await two.documents(), [], 'nor does it list one')
      same(await two.document('d').write('of two', { ifVersion: version }), false, 'nor knows its version')
      await written(two, 'd', 'of two')
      same(await two.document('d').remove(), true, 'it removes its own')
      same(await valueOf(one, 'd'), 'of one', 'and the first one’s stays')
      same(await one.documents(), ['d'], 'listed where it was written')
    },
  },
]

async function valueOf(queue: Queue, name: string): Promise<JsonValue | undefined> {
  return (await queue.document(name).read())?.value
}

function byBytes(names: readonly string[]): string[] {
  return names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}
