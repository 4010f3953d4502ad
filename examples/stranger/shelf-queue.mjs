// A queue of one's own, whole: every promise of the contract, on a Map. Each call does its work in one piece before it returns.
import { randomUUID } from 'node:crypto'
import * as core from '@sluice/core'
import { shelfDocuments } from './shelf-documents.mjs'

const MAX_BYTES = 1_048_576
const copy = (value) => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)))
const parsed = (text) => (text === undefined ? undefined : JSON.parse(text))
const summaryOf = ({ id, uid, stage, attempt, uncounted, priority, retryState }) => ({
  id,
  uid,
  stage,
  attempt,
  uncounted,
  priority,
  ...(retryState !== undefined && { retryState: copy(retryState) }),
})
/** @param {any} item */
const itemOf = ({ body, putAt, ...item }) => ({ ...summaryOf(item), body: copy(body), putAt })
const NO_OUTCOME = { retryState: undefined, failureClass: undefined, exitCode: undefined, jobUid: undefined }
const newRoom = () => ({
  items: new Map(),
  places: new Map(),
  seq: 0,
  pause: { paused: false },
  limits: {},
  syncs: 0,
  leases: new Map(),
  documents: new Map(),
})
const assertThat = (holds, what) => {
  if (!holds) throw new TypeError(what)
}
const isLimit = (limit) => limit === null || (Number.isFinite(limit) && limit >= 0)

/**
 * @param {string} name
 * @param {Map<string, any>} rooms what the queues of one store share, by name
 * @param {{ now(): number }} clock
 * @returns {core.Queue}
 */
export function shelfQueue(name, rooms = new Map(), runtime = Date) {
  if (!rooms.has(name)) rooms.set(name, newRoom())
  const room = rooms.get(name)
  const { items, places, leases, documents } = room
  let closed = false
  const refusal = (code, id) =>
    new core.SluiceError(
      code,
      `Queue ${name}, item ${JSON.stringify(id)}: ${core.ERROR_CODES[code].means}.`,
      { itemId: id },
    )
  const now = () => {
    if (closed) throw new core.SluiceError('SLUICE_QUEUE_CLOSED', `Queue ${name} was closed: open it again.`)
    return runtime.now()
  }
  const find = (id) => {
    core.assertItemId(id)
    return items.get(id)
  }
  const enter = (item, stage, at) => {
    item.stage = stage
    places.set(item.id, { at, seq: ++room.seq })
  }
  const add = ({ id, bodyText, priority, delayMs, notBeforeAt }, putAt, stage = 'WAITING') => {
    if (items.has(id)) return false
    const item = {
      id,
      uid: randomUUID(),
      attempt: 0,
      uncounted: 0,
      priority,
      body: JSON.parse(bodyText),
      putAt,
      history: [],
      notBeforeAt: delayMs === undefined ? notBeforeAt : putAt + delayMs,
      ...(stage === 'SUCCESS' && { finishedAt: putAt }),
    }
    items.set(id, item)
    enter(item, stage, Math.max(putAt, item.notBeforeAt ?? 0))
    return true
  }
  const place = (item) => places.get(item.id)
  const bySeq = (a, b) => place(a).seq - place(b).seq
  const byTurn = (a, b) => b.priority - a.priority || place(a).at - place(b).at || bySeq(a, b)
  const inStage = (stage) => [...items.values()].filter((item) => item.stage === stage)
  const size = (stage) => inStage(stage).length
  const ready = (maxItems, at) => {
    core.assertCount(maxItems, 'maxItems')
    const due = inStage('WAITING').filter((item) => place(item).at <= at)
    return due.toSorted(byTurn).slice(0, maxItems)
  }
  const claim = (item, claimedAt) => {
    item.attempt += 1
    item.claimedAt = claimedAt
    const before = place(item)
    item.history = [...item.history, { attempt: item.attempt, claimedAt }].slice(-core.MAX_HISTORY)
    enter(item, 'PROCESSING', claimedAt)
    place(item).before = before
    return { ...itemOf(item), claimedAt }
  }
  const checked = (asked) => {
    const { resultText, detailsText, retryStateText, to, ...move } = core.checkMove(asked, MAX_BYTES)
    return {
      ...move,
      stage: to,
      result: parsed(resultText),
      details: parsed(detailsText),
      retryState: parsed(retryStateText),
    }
  }
  /**
   * Why it is refused, or `undefined` when it is done, now or before [Q-MOVE-1, Q-MOVE-2].
   * @param {any} asked
   * @param {number} at
   * @returns {'not-found' | 'wrong-stage' | 'not-current' | undefined}
   */
  const move = ({ id, attempt, uid, stage, result, reason, details, delayMs, ...more }, at) => {
    const item = items.get(id)
    if (item === undefined) return 'not-found'
    const judged = core.judgeMove(
      { ...item, lastOutcome: core.lastOutcome(item.history) },
      { attempt, uid, to: stage },
    )
    if (judged !== 'move') return judged === 'repeat' ? undefined : judged
    const { countAttempt = true, keepPlace, retryState, exitCode, jobUid } = more
    const failureClass = stage === 'SUCCESS' ? undefined : more.failureClass
    const unsent = stage === 'WAITING' && more.unsent ? true : undefined
    const ended = { endedAt: at, outcome: stage, reason, details, failureClass, exitCode, jobUid, unsent }
    Object.assign(item.history.at(-1), ended)
    Object.assign(item, { failureClass, exitCode, jobUid })
    const { before } = place(item)
    if (stage === 'WAITING') {
      Object.assign(item, { reason, retryState, uncounted: item.uncounted + (countAttempt ? 0 : 1) })
      if (!keepPlace) item.notBeforeAt = at + delayMs
    } else Object.assign(item, { details, finishedAt: at }, stage === 'SUCCESS' ? { result } : { reason })
    enter(item, stage, at + delayMs)
    // To where it stood before its claim [Q-MOVE-5].
    if (stage === 'WAITING' && keepPlace) places.set(id, before)
    return undefined
  }
  const moveOne = async (asked) => {
    const reason = move(checked(asked), now())
    const code = reason === 'not-found' ? 'SLUICE_ITEM_NOT_FOUND' : 'SLUICE_STAGE_CONFLICT'
    if (reason !== undefined) throw refusal(code, asked.id)
  }
  /** Each id once, in the order of the call; what `act` gives is why it did nothing [Q-BULK-1]. */
  const skippedOf = (mentions, act) => {
    const seen = new Set()
    return mentions.flatMap((mention) => {
      const reason = seen.has(mention.id) ? 'repeated' : act(items.get(mention.id), mention)
      seen.add(mention.id)
      return reason === undefined ? [] : [{ id: mention.id, reason }]
    })
  }
  const skippedIds = (ids, act) => {
    for (const id of ids) core.assertItemId(id)
    const mentions = ids.map((id) => ({ id }))
    return skippedOf(mentions, (item) =>
      item === undefined ? 'not-found' : act(item) ? undefined : 'wrong-stage',
    )
  }
  const change = (item, { uid = item.uid, bodyText, priority, notBeforeAt }, at) => {
    if (uid !== item.uid) return 'not-current'
    if (item.stage !== 'WAITING') return 'wrong-stage'
    if (bodyText !== undefined) item.body = JSON.parse(bodyText)
    if (priority !== undefined) item.priority = priority
    if (notBeforeAt === undefined) return undefined
    item.notBeforeAt = Math.max(notBeforeAt, at)
    enter(item, 'WAITING', item.notBeforeAt)
    return undefined
  }
  const assertHeld = (lease) => {
    const held = lease && leases.get(lease.name)
    const isHeld =
      held?.holder === lease?.holder &&
      held?.fencingToken === lease?.fencingToken &&
      held?.endsAt > runtime.now()
    if (lease && !isHeld) throw refusal('SLUICE_LEASE_LOST')
  }
  const { document, list: documentNames } = shelfDocuments(documents, { now, assertHeld })
  const page = (stage, { limit, cursor = '0' }, view) => {
    now()
    core.assertStage(stage)
    assertThat(
      Number.isInteger(limit) && limit >= 1 && limit <= core.MAX_PAGE_ITEMS,
      'limit must be 1 to 10,000',
    )
    assertThat(/^\d+$/u.test(cursor), 'cursor must be one that an earlier page gave')
    const rest = inStage(stage).filter((item) => place(item).seq > Number(cursor))
    const found = rest.toSorted(bySeq).slice(0, limit)
    return { items: found.map(view), ...(rest.length > limit && { cursor: String(place(found.at(-1)).seq) }) }
  }

  return {
    name,
    supports: {
      durable: false,
      sharedBy: 'process',
      maxBodyBytes: MAX_BYTES,
      orderPrecisionMs: 0,
      fencedClaims: true,
    },
    control: {
      read: async () => now() && copy({ ...room.pause, limits: room.limits, syncs: room.syncs }),
      sync: async () => (now(), ++room.syncs),
      pause: async (reason) =>
        void (room.pause = { paused: true, pausedAt: now(), reason: core.cutReason(reason) }),
      resume: async () => void (now(), (room.pause = { paused: false })),
      setLimits: async (limits) => {
        now()
        assertThat(Object.values(limits).every(isLimit), 'a limit is a number of 0 or more, or null')
        room.limits = Object.fromEntries(
          Object.entries({ ...room.limits, ...limits }).filter(([, limit]) => limit !== null),
        )
      },
    },
    put: async (id, body, options) => {
      if (!add(core.checkNewItem({ ...options, id, body }, MAX_BYTES), now()))
        throw refusal('SLUICE_ITEM_EXISTS', id)
    },
    putMany: async (newItems, options = {}) => {
      const [at, all] = [now(), core.checkNewItems(newItems, MAX_BYTES)]
      const { compare, stage } = core.checkPutMany(options, all)
      const skipped = skippedOf(all, (known, item) => {
        if (known === undefined) return void add(item, at, stage)
        const same = core.isSameJson(known.body, JSON.parse(item.bodyText)) ? 'exists-same' : 'exists-changed'
        return compare ? same : 'exists'
      })
      return { added: all.length - skipped.length, skipped }
    },
    update: async (changes) => {
      const at = now()
      const all = core.checkChanges(changes, MAX_BYTES)
      const skipped = skippedOf(all, (item, wanted) =>
        item === undefined ? 'not-found' : change(item, wanted, at),
      )
      return { updated: all.length - skipped.length, skipped }
    },
    get: async (maxItems, { lease } = {}) => {
      const items = ready(maxItems, now())
      assertHeld(lease)
      return items.map((item) => claim(item, now()))
    },
    peek: async (maxItems) => ready(maxItems, now()).map(itemOf),
    success: (id, outcome) => moveOne({ ...outcome, id, stage: 'SUCCESS' }),
    fail: (id, outcome) => moveOne({ ...outcome, id, stage: 'FAIL' }),
    release: (id, options) => moveOne({ ...options, id, stage: 'WAITING' }),
    settle: async (outcomes) => {
      const at = now()
      for (const { attempt } of outcomes) core.assertCount(attempt, 'attempt')
      const moves = outcomes.map((outcome) => ({ ...checked(outcome), attempt: outcome.attempt }))
      const refused = moves.flatMap((each) => {
        const reason = move(each, at)
        return reason ? [{ id: each.id, attempt: each.attempt, reason }] : []
      })
      return { settled: moves.length - refused.length, refused }
    },
    requeue: async (ids, { delayMs = 0, priority, reason } = {}) => {
      const at = now()
      const asked = { id: 'x', body: null, delayMs, ...(priority !== undefined && { priority }) }
      const wanted = core.checkNewItem(asked, MAX_BYTES)
      const cut = core.cutReason(reason)
      const skipped = skippedIds(ids, (item) => {
        if (item.stage !== 'FAIL') return false
        const [uncounted, finishedAt, notBeforeAt] = [item.attempt, undefined, at + delayMs]
        const changes = { uncounted, reason: cut, finishedAt, notBeforeAt }
        Object.assign(item, NO_OUTCOME, changes, priority !== undefined && { priority: wanted.priority })
        enter(item, 'WAITING', at + delayMs)
        return true
      })
      return { moved: ids.length - skipped.length, skipped }
    },
    remove: async (ids, { stages = ['WAITING', 'SUCCESS', 'FAIL'] } = {}) => {
      now()
      for (const stage of stages) core.assertStage(stage)
      assertThat(!new Set(stages).has('PROCESSING'), 'an item in PROCESSING is never removed: it has a job')
      const skipped = skippedIds(ids, (item) => stages.includes(item.stage) && items.delete(item.id))
      return { removed: ids.length - skipped.length, skipped }
    },
    size: async (stage) => (now(), core.assertStage(stage), size(stage)),
    sizes: async () => {
      now()
      const [WAITING = 0, PROCESSING = 0, SUCCESS = 0, FAIL = 0] = core.STAGES.map(size)
      return { WAITING, PROCESSING, SUCCESS, FAIL }
    },
    lookupStatus: async (id) => {
      now()
      const item = find(id)
      if (item === undefined) throw refusal('SLUICE_ITEM_NOT_FOUND', id)
      return item.stage
    },
    lookup: async (id) => (now(), copy(find(id))),
    list: async (stage, options) => page(stage, options, copy),
    listSummaries: async (stage, options) => page(stage, options, summaryOf),
    document,
    documents: documentNames,
    now: async () => now(),
    readLease: async (lease) => {
      const at = now()
      assertThat(lease, 'a lease needs a name')
      const { endsAt, ...held } = leases.get(lease) ?? {}
      return endsAt ? { name: lease, ...held, leftMs: endsAt - at } : undefined
    },
    lease: async (lease, holder, ttlMs) => {
      const at = now()
      core.assertSpan(ttlMs, 'ttlMs')
      assertThat(lease && holder && ttlMs >= 100, 'a lease needs a name, a holder, and 100 ms or more')
      const last = leases.get(lease) ?? { fencingToken: 0 }
      if (last.endsAt > at && last.holder !== holder) return undefined
      const fencingToken = last.holder === holder ? last.fencingToken : last.fencingToken + 1
      const isHeld = () =>
        leases.get(lease).holder === holder && leases.get(lease).fencingToken === fencingToken
      const hold = (endsAt) => leases.set(lease, { holder, fencingToken, ttlMs, endsAt })
      hold(at + ttlMs)
      const renew = async () =>
        isHeld() && leases.get(lease).endsAt > runtime.now() && !!hold(runtime.now() + ttlMs)
      return {
        name: lease,
        holder,
        fencingToken,
        ttlMs,
        renew,
        release: async () => void (isHeld() && hold(0)),
      }
    },
    close: async () => void (closed = true),
  }
}
