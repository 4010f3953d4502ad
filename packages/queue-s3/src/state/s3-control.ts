import type { ControlState } from '@sluice/core'
import type { ControlBackend } from '@sluice/core/backend'
import pLimit from 'p-limit'
import type { QueueContext } from '../queue-context.js'
import { has } from '../format/item-state.js'
import { parseObject } from '../format/object-texts.js'
import { VersionChain, type Version } from './version-chain.js'

/**
 * The control state in the bucket. Each change is a new version based on the newest one, so none undoes
 * another.
 */
export function s3Control(context: QueueContext): ControlBackend {
  const chain = new VersionChain(context, 'CONTROL/')
  // Concurrent changes of one process would only collide.
  const inTurn = pLimit(1)
  const read = async () => stateOf(await chain.latest())
  const change = (next: (state: ControlState) => ControlState) =>
    inTurn(async () => {
      const patience = context.store.patience()
      for (;;) {
        const version = await chain.latest(patience)
        const before = stateOf(version)
        const after = next(before)
        if (JSON.stringify(after) === JSON.stringify(before)) return after
        const text = JSON.stringify({ ...unknownOf(version), sluice: 1, ...after })
        if (await chain.append(version?.number ?? 0, text, patience)) return after
        await chain.waitTurn(patience)
      }
    })
  return {
    read,
    pause: async (reason) => {
      await change((state) => ({
        ...runningOf(state),
        paused: true,
        ...has({ reason }),
        pausedAt: state.pausedAt ?? context.names.now(),
      }))
    },
    resume: async () => {
      await change(runningOf)
    },
    setLimits: async (limits) => {
      await change((state) => ({ ...state, limits: merged(state.limits, limits) }))
    },
    sync: async () => {
      const { syncs = 0 } = await change((state) => ({ ...state, syncs: (state.syncs ?? 0) + 1 }))
      return syncs
    },
  }
}

/** Without the pause. */
function runningOf(state: ControlState): ControlState {
  const { reason: _, pausedAt: __, ...kept } = state
  return { ...kept, paused: false }
}

/** Fields of a later version of this package, which a change must keep. */
function unknownOf(version: Version | undefined): object {
  const fields = version && parseObject(version.content)
  const { paused: _, reason: __, pausedAt: ___, limits: ____, syncs: _____, ...unknown } = fields ?? {}
  return unknown
}

function merged(
  limits: Readonly<Record<string, number>>,
  changes: readonly (readonly [name: string, limit: number | null])[],
): Record<string, number> {
  const entries = new Map<string, number>(Object.entries(limits))
  for (const [name, limit] of changes) {
    if (limit === null) entries.delete(name)
    else entries.set(name, limit)
  }
  return Object.fromEntries(entries)
}

/** A damaged one counts as none: it must not stop the queue, and the next change writes a valid one. */
function stateOf(version: Version | undefined): ControlState {
  const fields = version && parseObject(version.content)
  if (fields === undefined) return { paused: false, limits: {} }
  const { paused, reason, pausedAt, limits, syncs } = fields
  const known = typeof limits === 'object' && limits !== null ? Object.entries(limits) : []
  return {
    paused: paused === true,
    ...has({
      reason: typeof reason === 'string' ? reason : undefined,
      pausedAt: typeof pausedAt === 'number' ? pausedAt : undefined,
    }),
    limits: Object.fromEntries(
      known.filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
    ),
    ...has({ syncs: typeof syncs === 'number' && Number.isSafeInteger(syncs) ? syncs : undefined }),
  }
}
