import { isSluiceError, type ErrorCode, type Queue } from '@sluice/core'
import type {
  CrashingQueue,
  LinkOptions,
  QueueHarness,
  SlowQueue,
  TroubleOptions,
  TroubledQueue,
} from '../queue-harness.js'
import { interceptQueue, wrapQueue } from '../queue-wrapping.js'

/** A queue that is broken on purpose: the proof that the cases it breaks can fail. */
export interface QueueMutant {
  readonly id: string
  /** What is wrong with it. */
  readonly title: string
  /** The ids of cases that must catch it. */
  readonly breaks: readonly string[]
  /** The same harness, its queues broken. */
  wrap(harness: QueueHarness): QueueHarness
}

/**
 * How a mutant is described; `change` is called once for each harness, and what it returns once for each
 * Queue object.
 */
export interface Breakage {
  readonly id: string
  readonly title: string
  readonly breaks: readonly string[]
  readonly change: (harness: QueueHarness) => (inner: Queue) => Partial<Queue>
}

/** A mutant whose Queue objects have some of their calls changed. */
export function brokenQueue({ change, ...facts }: Breakage): QueueMutant {
  return {
    ...facts,
    wrap: (harness) => {
      const changes = change(harness)
      return rewritten(harness, (queue) => wrapQueue(queue, changes(queue)))
    },
  }
}

/** What is done to the store when a call of a dying process has rejected. */
export interface CrashDamage {
  readonly id: string
  readonly title: string
  readonly breaks: readonly string[]
  readonly damage: (healthy: Queue, method: string) => Promise<void>
}

/** A mutant whose processes leave damage behind when they die. */
export function brokenByCrash({ damage, ...facts }: CrashDamage): QueueMutant {
  return {
    ...facts,
    wrap: (harness) => ({ ...rewritten(harness, (queue) => queue), ...damaging(harness, damage) }),
  }
}

function damaging(harness: QueueHarness, damage: CrashDamage['damage']): Pick<QueueHarness, 'openCrashing'> {
  return {
    openCrashing: async (point) => {
      const crash = await crashingOf(harness, point)
      const healthy = await harness.open()
      const queue = interceptQueue(crash.queue, async (call, method) => {
        try {
          return await call()
        } catch (error) {
          await damage(healthy, method)
          throw error
        }
      })
      return { queue, crashed: () => crash.crashed() }
    },
  }
}

/** The harness, every queue of it put through a function. */
export function rewritten(harness: QueueHarness, rewrite: (queue: Queue) => Queue): QueueHarness {
  return {
    open: async (name) => rewrite(await harness.open(name)),
    passTime: (ms) => harness.passTime(ms),
    close: () => harness.close(),
    ...(harness.openCrashing && {
      openCrashing: async (point) => {
        const crash = await crashingOf(harness, point)
        return { queue: rewrite(crash.queue), crashed: () => crash.crashed() }
      },
    }),
    ...(harness.openUnreachable && { openUnreachable: async () => rewrite(await unreachableOf(harness)) }),
    ...(harness.openTroubled && {
      openTroubled: async (options) => {
        const troubled = await troubledOf(harness, options)
        return { ...troubled, queue: rewrite(troubled.queue) }
      },
    }),
    ...(harness.upgrade && { upgrade: () => upgradeOf(harness) }),
    ...(harness.setClockBack && { setClockBack: (ms) => harness.setClockBack?.(ms) ?? Promise.resolve() }),
    ...(harness.openSlow && {
      openSlow: async (link) => {
        const slow = await slowOf(harness, link)
        return { ...slow, queue: rewrite(slow.queue) }
      },
    }),
    ...(harness.troublesAtOnce !== undefined && { troublesAtOnce: harness.troublesAtOnce }),
  }
}

async function crashingOf(harness: QueueHarness, point: number): Promise<CrashingQueue> {
  const crash = await harness.openCrashing?.(point)
  if (crash === undefined) throw new Error('the harness can’t let a process die')
  return crash
}

async function unreachableOf(harness: QueueHarness): Promise<Queue> {
  const queue = await harness.openUnreachable?.()
  if (queue === undefined) throw new Error('the harness can’t put the storage out of reach')
  return queue
}

/** Marks the store of a harness that can do so. */
export async function upgradeOf(harness: QueueHarness): Promise<() => Promise<void>> {
  const takeBack = await harness.upgrade?.()
  if (takeBack === undefined) throw new Error('the harness can’t mark the store as upgraded')
  return takeBack
}

/** A troubled queue of a harness that has them. */
export async function troubledOf(harness: QueueHarness, options: TroubleOptions): Promise<TroubledQueue> {
  const troubled = await harness.openTroubled?.(options)
  if (troubled === undefined) throw new Error('the harness can’t let an operation of the storage go wrong')
  return troubled
}

/** A queue behind a link, of a harness that has them. */
export async function slowOf(harness: QueueHarness, link: LinkOptions): Promise<SlowQueue> {
  const slow = await harness.openSlow?.(link)
  if (slow === undefined) throw new Error('the harness can’t put a queue behind a link')
  return slow
}

/** The value of a call, or another one when it refused its arguments. */
export async function unchecked<T>(call: Promise<T>, instead: T): Promise<T> {
  return call.catch((error: unknown) => {
    if (error instanceof TypeError) return instead
    throw error
  })
}

/** The value of a call, or what `instead` gives when it rejected with this code. */
export async function unless<T>(
  call: Promise<T>,
  code: ErrorCode,
  instead: () => T | Promise<T>,
): Promise<T> {
  return call.catch((error: unknown) => {
    if (isSluiceError(error, code)) return instead()
    throw error
  })
}
