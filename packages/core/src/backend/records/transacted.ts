import type { ControlState } from '../../items/control.js'
import type { Lease } from '../../items/lease.js'
import { createLease } from '../queue/create-lease.js'
import { compareBytes } from './compare-bytes.js'
import type {
  ControlBackend,
  DocumentBackend,
  DocumentCondition,
  DocumentVerdict,
  LeaseBackend,
  MaybePromise,
} from '../queue/queue-backend.js'

/** What a queue keeps beside its items, as JSON values. */
export interface QueueTables {
  readonly leases: Map<string, LeaseRow>
  readonly documents: Map<string, DocumentRow>
  control: ControlState
}

export interface LeaseRow {
  readonly holder: string
  readonly fencingToken: number
  readonly ttlMs: number
  /** 0: it was given back. The row stays, since the fencing token goes on from it. */
  readonly endsAt: number
}

export interface DocumentRow {
  /** Absent: it was removed. The row stays, since its version must not come again. */
  readonly text?: string
  readonly version: number
}

/**
 * Runs `act` on the tables of the queue, and stores what it made of them: all of it or, where `act` throws or
 * the process dies, none.
 */
export type Transact = <T>(act: (tables: QueueTables) => T) => MaybePromise<T>

/** Of a backend with a transaction over leases, documents and control: those three parts. */
export function transactedParts(
  transact: Transact,
  now: () => number,
): { readonly leases: LeaseBackend; readonly documents: DocumentBackend; readonly control: ControlBackend } {
  return {
    leases: leases(transact, now),
    documents: documents(transact, now),
    control: control(transact, now),
  }
}

/** Whether a lease is held: not taken by another holder, nor run out. */
export function isLeaseHeld({ leases }: Pick<QueueTables, 'leases'>, lease: Lease, now: number): boolean {
  const row = leases.get(lease.name)
  return row?.holder === lease.holder && row.fencingToken === lease.fencingToken && row.endsAt > now
}

function leases(transact: Transact, now: () => number): LeaseBackend {
  /** `false`: it is lost. */
  const hold = async ({ name, holder, fencingToken, ttlMs }: Lease, endsAt: (now: number) => number) =>
    transact((tables) => {
      const row = tables.leases.get(name)
      const isLast = row?.holder === holder && row.fencingToken === fencingToken
      if (!isLast || (row.endsAt <= now() && endsAt(0) > 0)) return false
      tables.leases.set(name, { holder, fencingToken, ttlMs, endsAt: endsAt(now()) })
      return true
    })
  return {
    read: (name) =>
      transact((tables) => {
        const row = tables.leases.get(name)
        if (row === undefined || row.endsAt === 0) return undefined
        const { endsAt, ...held } = row
        return { name, ...held, leftMs: endsAt - now() }
      }),
    take: async (name, holder, ttlMs) => {
      const fencingToken = await transact((tables) => {
        const last = tables.leases.get(name)
        if (last !== undefined && last.holder !== holder && last.endsAt > now()) return undefined
        const token = (last?.fencingToken ?? 0) + (last?.holder === holder ? 0 : 1)
        tables.leases.set(name, { holder, fencingToken: token, ttlMs, endsAt: now() + ttlMs })
        return token
      })
      if (fencingToken === undefined) return undefined
      const lease: Lease = createLease(
        { name, holder, fencingToken, ttlMs },
        {
          renew: () => hold(lease, (at) => at + ttlMs),
          release: async () => void (await hold(lease, () => 0)),
        },
      )
      return lease
    },
  }
}

function documents(transact: Transact, now: () => number): DocumentBackend {
  const change = (name: string, text: string | undefined, { ifVersion, lease }: DocumentCondition) =>
    transact((tables): DocumentVerdict => {
      if (lease !== undefined && !isLeaseHeld(tables, lease, now())) return 'lease-lost'
      const last = tables.documents.get(name)
      const current = last?.text === undefined ? undefined : last.version
      const isRemovable = current !== undefined && (ifVersion ?? current) === current
      if (text === undefined ? !isRemovable : current !== ifVersion) return 'other-version'
      tables.documents.set(name, { version: (last?.version ?? 0) + 1, ...(text !== undefined && { text }) })
      return 'done'
    })
  return {
    read: (name) =>
      transact((tables) => {
        const { text, version = 0 } = tables.documents.get(name) ?? {}
        return text === undefined ? undefined : { value: JSON.parse(text), version }
      }),
    write: change,
    remove: (name, condition) => change(name, undefined, condition),
    names: (prefix) =>
      transact((tables) => {
        const there = [...tables.documents].filter(
          ([name, { text }]) => text !== undefined && name.startsWith(prefix),
        )
        return there.map(([name]) => name).toSorted(compareBytes)
      }),
  }
}

function control(transact: Transact, now: () => number): ControlBackend {
  const change = async (next: (state: ControlState) => ControlState) =>
    transact((tables) => (tables.control = next(tables.control)))
  return {
    // A copy: a caller may change what it was given.
    read: () => transact(({ control: { limits, ...rest } }) => ({ ...rest, limits: { ...limits } })),
    pause: async (reason) => {
      await change((state) => {
        const { pausedAt = now() } = state
        return { ...resumed(state), paused: true, pausedAt, ...(reason !== undefined && { reason }) }
      })
    },
    resume: async () => {
      await change(resumed)
    },
    setLimits: async (limits) => {
      await change((state) => {
        const all = new Map<string, number | null>([...Object.entries(state.limits), ...limits])
        const kept = [...all].flatMap(([name, limit]) => (limit === null ? [] : [[name, limit] as const]))
        return { ...state, limits: Object.fromEntries(kept) }
      })
    },
    sync: async () => {
      const { syncs = 0 } = await change((state) => ({ ...state, syncs: (state.syncs ?? 0) + 1 }))
      return syncs
    },
  }
}

function resumed({ limits, syncs }: ControlState): ControlState {
  return { paused: false, limits, ...(syncs !== undefined && { syncs }) }
}
