import type { Protocol, StorageOp, StorageReply } from '../../src/store/storage-op.js'
import { layout, type Bounds, type Mutation } from './scenarios.js'

/** A variant of the protocol that is known to be wrong, and bounds within which that must show. */
export interface KnownBad {
  readonly title: string
  readonly bounds: Bounds
}

const isUnder = (folder: 'SUCCESS' | 'PROCESSING' | 'WAITING' | 'ITEMS' | 'SELECTIONS', op: StorageOp) =>
  'key' in op && op.key.startsWith(layout.folder(folder))

/** Answers some requests itself, or sends others in their place. */
function instead(change: (op: StorageOp, role: string) => 'send' | 'say absent' | StorageOp): Mutation {
  return function* mutated<T>(protocol: Protocol<T>, role: string): Protocol<T> {
    let step = protocol.next()
    while (step.done !== true) {
      const changed = change(step.value, role)
      const reply = changed === 'say absent' ? {} : yield changed === 'send' ? step.value : changed
      step = protocol.next(reply)
    }
    return step.value
  }
}

/** The end object is not read after a claim. */
const noEndCheck: Mutation = function* mutated<T>(protocol: Protocol<T>, role: string): Protocol<T> {
  let step = protocol.next()
  let claimed = false
  while (step.done !== true) {
    const { value: op } = step
    const skipped: boolean = role === 'claimer' && claimed && op.do === 'head' && isUnder('SUCCESS', op)
    const reply: StorageReply = skipped ? {} : yield op
    claimed = op.do === 'create' && isUnder('PROCESSING', op) && reply.outcome === 'created'
    step = protocol.next(reply)
  }
  return step.value
}

const deletedIndex = instead((op) =>
  op.do === 'empty' && isUnder('ITEMS', op) ? { do: 'delete', keys: [op.key] } : 'send',
)

/** What gave no clear answer is taken for done. */
const unclearIsDone: Mutation = function* mutated<T>(protocol: Protocol<T>): Protocol<T> {
  let step = protocol.next()
  while (step.done !== true) {
    const reply = yield step.value
    step = protocol.next(reply.outcome === 'unclear' ? { outcome: 'created' } : reply)
  }
  return step.value
}

/** What gave no clear answer is taken for a refusal of the key, for ever. */
const unclearIsRefused: Mutation = function* mutated<T>(protocol: Protocol<T>): Protocol<T> {
  let step = protocol.next()
  while (step.done !== true) {
    const { value: op } = step
    const reply = yield op
    const isName = op.do === 'create' && isUnder('WAITING', op)
    step = protocol.next(isName && reply.outcome === 'unclear' ? { outcome: 'refused' } : reply)
  }
  return step.value
}

/** Half a put that the store refuses is left as it is. */
const neverTakenBack = instead((op) => (op.do === 'empty' && isUnder('ITEMS', op) ? 'say absent' : 'send'))

/**
 * A refusal after an unclear answer is not read back: it may be that of one's own request. Here: the name is
 * taken to be free.
 */
const deleteFirst: Mutation = function* mutated<T>(protocol: Protocol<T>, role: string): Protocol<T> {
  let step = protocol.next()
  while (step.done !== true) {
    const { value: op } = step
    if (op.do === 'create' && isUnder('SUCCESS', op) && role !== 'remover') {
      const name = op.key.slice(layout.folder('SUCCESS').length)
      yield { do: 'delete', keys: [layout.at('PROCESSING', name)] }
    }
    step = protocol.next(yield op)
  }
  return step.value
}

/** After its claim it checks whether the item is still under WAITING, and gives up when it isn't. */
const waitingCheck: Mutation = function* mutated<T>(protocol: Protocol<T>, role: string): Protocol<T> {
  let step = protocol.next()
  while (step.done !== true) {
    const { value: op } = step
    let reply = yield op
    if (
      role === 'claimer' &&
      op.do === 'create' &&
      isUnder('PROCESSING', op) &&
      reply.outcome === 'created'
    ) {
      const name = op.key.slice(layout.folder('PROCESSING').length)
      const waiting = yield { do: 'head', key: layout.at('WAITING', name) }
      if (waiting.object === undefined) {
        yield { do: 'delete', keys: [op.key] }
        // Told that another one has it.
        reply = { outcome: 'exists' }
      }
    }
    step = protocol.next(reply)
  }
  return step.value
}

const carelessPurge = instead((op, role) =>
  role === 'purger' && op.do === 'head' && !isUnder('ITEMS', op) ? 'say absent' : 'send',
)

/** Does something else before a request, or answers it itself. */
function before(change: (op: StorageOp, role: string) => StorageOp | undefined): Mutation {
  return function* mutated<T>(protocol: Protocol<T>, role: string): Protocol<T> {
    let step = protocol.next()
    while (step.done !== true) {
      const first = change(step.value, role)
      if (first !== undefined) yield first
      step = protocol.next(yield step.value)
    }
    return step.value
  }
}

/** An update is carried out though the attempt that it was decided for had ended before. */
const updateOfTheEnded: Mutation = function* mutated<T>(protocol: Protocol<T>, role: string): Protocol<T> {
  let step = protocol.next()
  let decided = false
  while (step.done !== true) {
    const { value: op } = step
    const skipped: boolean = role === 'updater' && decided && op.do === 'head' && isUnder('SUCCESS', op)
    const reply: StorageReply = skipped ? {} : yield op
    decided = op.do === 'create' && isUnder('PROCESSING', op) && reply.outcome === 'created'
    step = protocol.next(reply)
  }
  return step.value
}

/** The decision of an update is deleted before the end of its attempt is there. */
const hastyUpdate = before((op) => {
  if (op.do !== 'create' || !isUnder('SUCCESS', op) || op.meta['to'] !== 'UPDATED') return undefined
  return { do: 'delete', keys: [layout.at('PROCESSING', op.key.slice(layout.folder('SUCCESS').length))] }
})

/** The update decides nothing: it makes the object under the new name, as if no claim came in between. */
const undecidedUpdate: Mutation = function* mutated<T>(protocol: Protocol<T>, role: string): Protocol<T> {
  let step = protocol.next()
  while (step.done !== true) {
    const { value: op } = step
    const skipped = role === 'updater' && op.do === 'create' && isUnder('PROCESSING', op)
    step = protocol.next(skipped ? { outcome: 'created' } : yield op)
  }
  return step.value
}

/** A sweep deletes the body of an update that may still be decided. */
const hastyChanges: Mutation = function* mutated<T>(protocol: Protocol<T>, role: string): Protocol<T> {
  let step = protocol.next()
  while (step.done !== true) {
    const { value: op } = step
    const isEnd = role === 'purger' && op.do === 'head' && isUnder('SUCCESS', op)
    step = protocol.next(isEnd ? { object: { content: '', sizeBytes: 0, meta: {} } } : yield op)
  }
  return step.value
}

/** An update decides before it has stored the resources that the next name announces. */
const lateSelection: Mutation = function* mutated<T>(protocol: Protocol<T>): Protocol<T> {
  let step = protocol.next()
  let held: StorageOp | undefined
  while (step.done !== true) {
    const { value: op } = step
    const isHeld = op.do === 'create' && isUnder('SELECTIONS', op)
    if (isHeld) held = op
    const reply: StorageReply = isHeld ? { outcome: 'created' } : yield op
    if (held !== undefined && op.do === 'create' && isUnder('PROCESSING', op)) yield held
    step = protocol.next(reply)
  }
  return step.value
}

const isPutDone = (op: StorageOp) => isUnder('SUCCESS', op) && 'key' in op && op.key.includes('/done.')

/**
 * A put into SUCCESS that was cut off is finished as any other would be: a program of another version might.
 */
const finishedInWaiting = instead((op, role) => {
  if (op.do !== 'create' || role === 'producer' || !isPutDone(op)) return 'send'
  return { ...op, key: layout.at('WAITING', op.key.slice(layout.folder('SUCCESS').length)) }
})

/** The object under SUCCESS is made before the one that decides. */
const successFirst = before((op) => {
  const { first = '' } = op.do === 'create' && isUnder('ITEMS', op) ? op.meta : {}
  return first === ''
    ? undefined
    : { do: 'create', key: layout.at('SUCCESS', first), content: '1', meta: { token: 'early' } }
})

/** A removal deletes the object under SUCCESS, which a late request then makes again. */
const deletedSuccess = instead((op) =>
  op.do === 'empty' && isPutDone(op) ? { do: 'delete', keys: [op.key] } : 'send',
)

/** Every one of these must be caught. */
export const knownBad: readonly KnownBad[] = [
  {
    title: 'a claim that does not read the end object',
    bounds: { roles: ['put', 'claim', 'claim'], mutation: noEndCheck },
  },
  {
    title: 'a read of WAITING after the claim',
    bounds: { roles: ['put', 'claim', 'claim'], ends: ['SUCCESS', 'keep'], mutation: waitingCheck },
  },
  {
    title: 'names used again by the next attempt',
    bounds: { roles: ['put', 'claim', 'claim'], ends: ['WAITING', 'SUCCESS'], reuseNames: true },
  },
  {
    title: 'the object under PROCESSING deleted before the end is created',
    bounds: { roles: ['put', 'claim', 'claim'], mutation: deleteFirst },
  },
  {
    title: 'the index object deleted by remove',
    bounds: { roles: ['put', 'remove', 'put again'], delays: 1, mutation: deletedIndex },
  },
  {
    title: 'no clear answer taken for a success',
    bounds: { roles: ['put', 'claim', 'claim'], delays: 1, mutation: unclearIsDone },
  },
  {
    title: 'no clear answer taken for a refusal of the key',
    bounds: { roles: ['put', 'lookup', 'claim'], delays: 1, mutation: unclearIsRefused },
  },
  {
    title: 'half a put left behind that the store refuses',
    bounds: { roles: ['put', 'lookup'], refusing: true, mutation: neverTakenBack },
  },
  {
    title: 'tombstones purged while a call is under way that read the index object before',
    bounds: { roles: ['put', 'claim', 'claim', 'remove', 'purge'], ends: ['WAITING'], hastyPurge: true },
  },
  {
    title: 'a tombstone purged before the late claim that it covers',
    bounds: { roles: ['put', 'claim', 'claim', 'remove', 'purge'], delays: 1, mutation: carelessPurge },
  },
  {
    title: 'an update without a decision that a claim could lose to',
    bounds: { roles: ['put', 'update', 'claim'], mutation: undecidedUpdate },
  },
  {
    title: 'an update that does not read the end object',
    bounds: { roles: ['put', 'claim', 'update'], mutation: updateOfTheEnded },
  },
  {
    title: 'the decision of an update deleted before the end is created',
    bounds: { roles: ['put', 'update', 'claim'], mutation: hastyUpdate },
  },
  {
    title: 'the body of an update deleted that may still be decided',
    bounds: {
      roles: ['put', 'update', 'purge changes'],
      gives: 'long body',
      crashes: 1,
      mutation: hastyChanges,
    },
  },
  {
    title: 'an update that decides before it stores its resources',
    bounds: {
      roles: ['put', 'update', 'lookup'],
      gives: 'body and resources',
      crashes: 1,
      mutation: lateSelection,
    },
  },
  {
    title: 'a claim by id that does not read the end object',
    bounds: { roles: ['put', 'claim named', 'claim named'], mutation: noEndCheck },
  },
  {
    title: 'a put into SUCCESS that was cut off, finished in WAITING',
    bounds: { roles: ['put done', 'finish', 'claim'], mutation: finishedInWaiting },
  },
  {
    title: 'a put into SUCCESS that shows before its id is taken',
    bounds: { roles: ['put done', 'put'], mutation: successFirst },
  },
  {
    title: 'the object under SUCCESS deleted by the removal of what was put there',
    bounds: { roles: ['put done', 'remove'], delays: 1, mutation: deletedSuccess },
  },
]
