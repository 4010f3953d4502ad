import type { Lease, Queue } from '@sluice/core'
import { selecting } from '../selection/selecting.js'

/** A call of a queue by its name. */
export type NamedCall = readonly [name: string, call: () => Promise<unknown>]

/**
 * Every call that a queue has, with good arguments; `lease` is one of another Queue object on the same store.
 */
export function everyCall(queue: Queue, { lease }: { readonly lease: Lease }): readonly NamedCall[] {
  const sweep = queue.sweep?.bind(queue)
  return [
    ...selectionCalls(queue, lease),
    ...(sweep === undefined ? [] : [['sweep', () => sweep()] as const]),
    ['put', () => queue.put('z', 1)],
    ['putMany', () => queue.putMany([{ id: 'z', body: 1 }])],
    ['putMany that compares', () => queue.putMany([{ id: 'z', body: 1 }], { compare: true })],
    ['putMany into SUCCESS', () => queue.putMany([{ id: 'z', body: 1 }], { stage: 'SUCCESS' })],
    ['update', () => queue.update([{ id: 'w', body: 2 }])],
    ['get', () => queue.get(1)],
    ['get under a lease', () => queue.get(1, { lease })],
    ['peek', () => queue.peek(1)],
    ['success', () => queue.success('a', { attempt: 1 })],
    ['fail', () => queue.fail('a', { attempt: 1 })],
    ['settle', () => queue.settle([{ id: 'a', attempt: 1, stage: 'SUCCESS' }])],
    ['release', () => queue.release('a', { attempt: 1 })],
    ['release to its place', () => queue.release('a', { attempt: 1, keepPlace: true, retryState: 1 })],
    ['requeue', () => queue.requeue(['a'])],
    ['remove', () => queue.remove(['a'])],
    ['size', () => queue.size('WAITING')],
    ['sizes', () => queue.sizes()],
    ['lookupStatus', () => queue.lookupStatus('a')],
    ['lookup', () => queue.lookup('a')],
    ['list', () => queue.list('WAITING', { limit: 1 })],
    ['listSummaries', () => queue.listSummaries('WAITING', { limit: 1 })],
    ['now', () => queue.now()],
    ['readLease', () => queue.readLease('dispatch')],
    ['lease', () => queue.lease('sweep', 'me', 1_000)],
    ...controlCalls(queue),
    ...documentCalls(queue, lease),
  ]
}

function selectionCalls(queue: Queue, lease: Lease): readonly NamedCall[] {
  if (queue.supports.selection === undefined) return []
  const { peekSummaries, getItems } = selecting(queue)
  const refs = [{ id: 'a', uid: 'u' }]
  return [
    ['peekSummaries', () => peekSummaries(1)],
    ['getItems', () => getItems(refs)],
    ['getItems under a lease', () => getItems(refs, { lease })],
  ]
}

function controlCalls({ control }: Queue): readonly NamedCall[] {
  return [
    ['control.read', () => control.read()],
    ['control.pause', () => control.pause('x')],
    ['control.resume', () => control.resume()],
    ['control.setLimits', () => control.setLimits({ maxProcessing: 1 })],
    ['control.sync', () => control.sync()],
  ]
}

function documentCalls(queue: Queue, lease: Lease): readonly NamedCall[] {
  return [
    ['document.read', async () => queue.document('d').read()],
    ['document.write', async () => queue.document('d').write(1, { ifVersion: undefined })],
    [
      'document.write under a lease',
      async () => queue.document('d').write(1, { ifVersion: undefined, lease }),
    ],
    ['document.remove', async () => queue.document('d').remove()],
    ['documents', () => queue.documents('')],
  ]
}
