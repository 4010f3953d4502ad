import { setTimeout as sleep } from 'node:timers/promises'
import { isSluiceError, type Logger } from '@sluice/core'

export interface OpenReachableOptions {
  readonly logger: Logger
  /** Its abort ends the trying. */
  readonly signal: AbortSignal
  /** From one try to the next, in ms; for tests. */
  readonly gapMs?: number
}

const GAP_MS = 5_000

/**
 * Opens something in a storage that may be away for now, again and again until it is there: a service that was started before its database must not
 * have to be started again. The log has one line when it is away, and one when it is back.
 *
 * @returns `undefined` when the signal came first
 * @throws what no waiting mends
 */
export async function openReachable<T>(
  open: () => Promise<T>,
  { logger, signal, gapMs = GAP_MS }: OpenReachableOptions,
): Promise<T | undefined> {
  let tries = 0
  while (!signal.aborted) {
    try {
      const opened = await open()
      if (tries > 0) logger.info({ tries }, 'the storage can be reached')
      return opened
    } catch (error) {
      if (!isSluiceError(error, 'SLUICE_QUEUE_UNAVAILABLE') || !error.retryable) throw error
      const level = tries === 0 ? 'warn' : 'debug'
      logger[level]({ err: error }, 'the storage can’t be reached: it is tried again until it can')
      tries += 1
      // It rejects when the signal comes, which ends the loop.
      await sleep(gapMs, undefined, { signal }).catch(() => undefined)
    }
  }
  return undefined
}
