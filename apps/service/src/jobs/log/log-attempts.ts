import type { AttemptRecord, ItemRecord } from '@sluice/core'
import { CommandError } from '../../cli/command-error.js'
import { printable } from '../../output/output.js'
import { plural } from '../../output/amounts.js'

/** So many attempts are asked for where the latest ones have no log. */
const MAX_ATTEMPTS = 10

/**
 * The attempts whose logs are looked for, the one first that is wanted most.
 *
 * @throws CommandError CONFLICT where there is none
 */
export function attemptsToRead(item: ItemRecord, wanted: number | undefined): readonly number[] {
  const id = printable(item.id, 100)
  if (wanted !== undefined) {
    if (wanted >= 1 && wanted <= item.attempt) return [wanted]
    throw new CommandError(
      'CONFLICT',
      `There is no attempt ${wanted} of ${id}: it has had ${plural(item.attempt, 'attempt')}.`,
    )
  }
  const attempts = Array.from({ length: item.attempt }, (_, index) => item.attempt - index)
  const sent = attempts.filter((attempt) => recordOf(item, attempt)?.unsent !== true)
  if (sent.length > 0) return sent.slice(0, MAX_ATTEMPTS)
  const why = item.attempt === 0 ? 'it has not been started yet' : 'no job of it was ever sent'
  throw new CommandError('CONFLICT', `There is no log of ${id}: ${why} (it is in ${item.stage}).`)
}

/** What the queue has of one attempt. */
export function recordOf({ history }: ItemRecord, attempt: number): AttemptRecord | undefined {
  return history.find((one) => one.attempt === attempt)
}
