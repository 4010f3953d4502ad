import { hostname } from 'node:os'
import {
  isSluiceError,
  type AttemptRecord,
  type ItemRecord,
  type JsonValue,
  type Queue,
  type Worker,
} from '@sluice/core'
import { WORKER_DOCUMENT } from '@sluice/engine'
import { CommandError } from '../../cli/command-error.js'
import { plural } from '../../output/amounts.js'
import { printable } from '../../output/output.js'

/** The most attempts that are tried where the latest have no log. */
const MAX_ATTEMPTS = 10

/**
 * The attempts whose logs to try, the preferred one first.
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
  const why = item.attempt === 0 ? 'it has not been started yet' : 'none of its jobs was sent'
  throw new CommandError('CONFLICT', `There is no log of ${id}: ${why} (it is in ${item.stage}).`)
}

function recordOf({ history }: ItemRecord, attempt: number): AttemptRecord | undefined {
  return history.find((one) => one.attempt === attempt)
}

/** Where the log of an attempt may be, as far as the queue knows, for a worker that does not have it. */
export async function whereKept(
  item: ItemRecord,
  attempt: number,
  { queue, worker }: { readonly queue: Queue; readonly worker: Worker },
): Promise<string | undefined> {
  const details = recordOf(item, attempt)?.details ?? (attempt === item.attempt ? item.details : undefined)
  const [host, file] = [textIn(details, 'host'), textIn(details, 'stdoutFile')]
  if (host !== undefined && host !== hostname()) {
    const at = file === undefined ? '' : ` (${printable(file, 300)})`
    return `Its job ran on ${printable(host, 100)}, which has the log${at}: run this command on that machine.`
  }
  const other = await otherWorker(queue, worker)
  if (other !== undefined)
    return `The queue runs with another worker, ${printable(other, 200)}; this configuration has ${printable(worker.identity ?? '', 200)}. The other worker has the log.`
  if (item.stage === 'PROCESSING' && attempt === item.attempt)
    return 'The item is in PROCESSING: its job may not have been sent yet.'
  return file === undefined ? undefined : `It was kept in ${printable(file, 300)}.`
}

/** The identity of the worker that the queue last ran with, where it is another one. */
async function otherWorker(queue: Queue, { identity }: Worker): Promise<string | undefined> {
  if (identity === undefined) return undefined
  try {
    const known = textIn((await queue.document(WORKER_DOCUMENT).read())?.value, 'identity')
    return known === identity ? undefined : known
  } catch (error) {
    // This is a hint: a command that needs the storage reports its errors.
    if (isSluiceError(error)) return undefined
    throw error
  }
}

function textIn(value: JsonValue | undefined, name: string): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const found = Object.entries(value).find(([key]) => key === name)?.[1]
  return typeof found === 'string' ? found : undefined
}
