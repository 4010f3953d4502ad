import { hostname } from 'node:os'
import { isSluiceError, type ItemRecord, type JsonValue, type Queue, type Worker } from '@sluice/core'
import { WORKER_DOCUMENT } from '@sluice/engine'
import { printable } from '../../output/output.js'
import { recordOf } from './log-attempts.js'

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
    return `Its job ran on ${printable(host, 100)}, and its log is there${at}: run this command on that machine.`
  }
  const other = await otherWorker(queue, worker)
  if (other !== undefined)
    return `The queue is run with another worker, ${printable(other, 200)}; this configuration leads to ${printable(worker.identity ?? '', 200)}. Its log is where that one runs.`
  if (item.stage === 'PROCESSING' && attempt === item.attempt)
    return 'The item is in PROCESSING: its job may not have been sent yet.'
  return file === undefined ? undefined : `It was kept in ${printable(file, 300)}.`
}

/** The identity of the worker that the queue was run with last, where it is another one. */
async function otherWorker(queue: Queue, { identity }: Worker): Promise<string | undefined> {
  if (identity === undefined) return undefined
  try {
    const known = textIn((await queue.document(WORKER_DOCUMENT).read())?.value, 'identity')
    return known === identity ? undefined : known
  } catch (error) {
    // It is a hint: what is wrong with the storage, whoever needs it says.
    if (isSluiceError(error)) return undefined
    throw error
  }
}

function textIn(value: JsonValue | undefined, name: string): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const found = Object.entries(value).find(([key]) => key === name)?.[1]
  return typeof found === 'string' ? found : undefined
}
