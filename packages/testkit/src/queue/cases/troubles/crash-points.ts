import type { Queue, QueueSupports } from '@sluice/core'
import { AssertionError } from 'node:assert'
import type { QueueHarness } from '../../queue-harness.js'

const MOST_POINTS = 1_000

/** The `needs` of a case that lets processes die. */
export function needsCrashing(_: QueueSupports, harness: QueueHarness): string | undefined {
  return harness.openCrashing === undefined
    ? 'the harness can’t let a process die at a given point'
    : undefined
}

/**
 * Runs the same again and again, the process dying one storage operation later each time, until it no longer
 * dies.
 */
export async function atEveryPoint(
  harness: QueueHarness,
  run: (crashing: Queue, point: number) => Promise<void>,
): Promise<void> {
  for (let point = 0; point < MOST_POINTS; point++) {
    const crash = await harness.openCrashing?.(point)
    if (crash === undefined) return
    try {
      await run(crash.queue, point)
    } catch (error) {
      throw new AssertionError({
        message: `after a crash at storage operation ${point}: ${error instanceof Error ? error.message : String(error)}`,
      })
    }
    if (!crash.crashed()) return
  }
  throw new AssertionError({
    message: `the call did not end within ${MOST_POINTS} storage operations: does crashed() ever say false?`,
  })
}
