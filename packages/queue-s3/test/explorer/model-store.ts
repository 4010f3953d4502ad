import type { Meta, Protocol, StorageOp, StorageReply, StoredObject } from '../../src/store/storage-op.js'

/** The objects of the model; never changed, only replaced. */
export type Objects = ReadonlyMap<string, StoredObject>

/** One request taking effect at one instant. */
export function applied(objects: Objects, op: StorageOp): { objects: Objects; reply: StorageReply } {
  if (op.do === 'read' || op.do === 'head') return { objects, reply: seen(objects.get(op.key), op.do) }
  if (op.do === 'again') return { objects, reply: {} }
  if (op.do === 'empty') return { objects: withObject(objects, op.key, stored('', op.meta)), reply: {} }
  if (op.do === 'create') {
    if (objects.has(op.key)) return { objects, reply: { outcome: 'exists' } }
    return {
      objects: withObject(objects, op.key, stored(op.content, op.meta)),
      reply: { outcome: 'created' },
    }
  }
  const left = new Map(objects)
  for (const key of op.keys) left.delete(key)
  return { objects: left, reply: {} }
}

/** Runs a protocol in one instant. */
export function atOnce<T>(
  objects: Objects,
  protocol: Generator<StorageOp, T, StorageReply>,
): { objects: Objects; value: T } {
  let step = protocol.next()
  let now = objects
  while (step.done !== true) {
    const { objects: after, reply } = applied(now, step.value)
    now = after
    step = protocol.next(reply)
  }
  return { objects: now, value: step.value }
}

function seen(object: StoredObject | undefined, how: 'read' | 'head'): StorageReply {
  if (object === undefined) return {}
  return { object: how === 'read' ? object : { ...object, content: '' } }
}

function stored(content: string, meta: Meta): StoredObject {
  return { content, sizeBytes: content.length, meta }
}

function withObject(objects: Objects, key: string, object: StoredObject): Objects {
  return new Map(objects).set(key, object)
}

/**
 * A protocol at a store that takes no first key of an item under a stage, as one whose keys' parts must be
 * shorter than the names of an item.
 */
export function* refusingNames<T>(protocol: Protocol<T>): Protocol<T> {
  let step = protocol.next()
  while (step.done !== true) {
    const { value: op } = step
    const refused = op.do === 'create' && /\/WAITING\/|\/SUCCESS\/00\/done\./u.test(op.key)
    step = protocol.next(refused ? { outcome: 'refused' } : yield op)
  }
  return step.value
}
