import { isSluiceError, type Logger, type Runtime } from '@sluice/core'

export interface OpenReachableOptions {
  readonly logger: Logger
  /** Its abort ends the retries. */
  readonly signal: AbortSignal
  readonly runtime: Pick<Runtime, 'sleep'>
}

const RETRY_MS = 5_000

/**
 * Opens a queue, and retries while its storage is unreachable: a service may start before its database. Logs
 * one line when the outage begins and one when it ends.
 *
 * @returns `undefined` where the signal came first
 * @throws every other error
 */
export async function openReachable<T>(
  open: () => Promise<T>,
  { logger, signal, runtime }: OpenReachableOptions,
): Promise<T | undefined> {
  let tries = 0
  while (!signal.aborted) {
    try {
      const opened = await open()
      if (tries > 0) logger.info({ tries }, 'the storage is reachable again')
      return opened
    } catch (error) {
      if (!isSluiceError(error, 'SLUICE_QUEUE_UNAVAILABLE') || !error.retryable) throw error
      const level = tries === 0 ? 'warn' : 'debug'
      logger[level]({ err: error }, 'the storage is unreachable: retrying until it answers')
      tries += 1
      await runtime.sleep(RETRY_MS, signal)
    }
  }
  return undefined
}
