import { same } from '../../../check.js'
import type { QueueCase } from '../../queue-harness.js'
import { taken, written } from '../../queue-walk.js'
import { leaseLosses, rejectsLost, underRenewedLease, type LeaseLoss } from './lost-lease.js'

/** Q-DOC-3. */
export const fencedDocumentCases: readonly QueueCase[] = [
  {
    id: 'Q-DOC-3',
    title: 'under a lease that is held, writes and removals go as they do without',
    async run(harness) {
      const queue = await harness.open()
      const lease = await taken(queue, 'me', 600_000)
      const document = queue.document('d')
      same(await document.write(1, { ifVersion: undefined, lease }), true, 'a first write')
      const version = (await document.read())?.version ?? 0
      same(await document.write(2, { ifVersion: version, lease }), true, 'a second one')
      same(await document.write(3, { ifVersion: version, lease }), false, 'one of a version that is over')
      same(await document.remove({ ifVersion: version, lease }), false, 'a removal of such a version')
      same(await document.read(), { value: 2, version: version + 1 }, 'the value is the last one written')
      same(await document.remove({ ifVersion: version + 1, lease }), true, 'a removal')
      same(await document.remove({ lease }), false, 'and of what is gone')
      same(await document.read(), undefined, 'then it is gone')
      const other = (await harness.open()).document('d')
      same(
        await other.write('free', { ifVersion: undefined }),
        true,
        'who needs no lease is not held up by it',
      )
    },
  },
  ...leaseLosses.map((loss, index) => lossCase(`Q-DOC-3/${'abcd'[index]}`, loss)),
  {
    id: 'Q-DOC-3/e',
    title: 'a lease that was renewed holds beyond its first end',
    run: (harness) =>
      underRenewedLease(harness, async (queue, lease, round) => {
        const document = queue.document(`d${round}`)
        same(await document.write(1, { ifVersion: undefined, lease }), true, 'a write under it is done')
        same(await document.remove({ lease }), true, 'a removal too')
      }),
  },
]

function lossCase(id: string, { how, lose }: LeaseLoss): QueueCase {
  return {
    id,
    title: `under a lease that ${how}, writes and removals reject SLUICE_LEASE_LOST, and nothing changes`,
    async run(harness) {
      const queue = await harness.open()
      const before = await written(queue, 'd', 'before')
      const { lost: lease, held } = await lose(queue, harness)
      const [document, missing] = [queue.document('d'), queue.document('new')]
      const ifVersion = before.version
      await rejectsLost(document.write('x', { ifVersion, lease }), 'a write is refused')
      await rejectsLost(document.write('x', { ifVersion: ifVersion + 7, lease }), 'of whatever version')
      await rejectsLost(missing.write('x', { ifVersion: undefined, lease }), 'a first write is refused')
      await rejectsLost(document.remove({ lease }), 'a removal is refused')
      await rejectsLost(document.remove({ ifVersion, lease }), 'of its version too')
      same(await document.read(), before, 'the document is as it was')
      same(await queue.documents(), ['d'], 'and no other came')
      const options = held === undefined ? { ifVersion } : { ifVersion, lease: held }
      same(await document.write('after', options), true, 'who may write can write on')
      same(await document.read(), { value: 'after', version: ifVersion + 1 }, 'at the very next version')
    },
  }
}
