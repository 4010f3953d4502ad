import { hostname, userInfo } from 'node:os'
import { isSluiceError, type JsonValue, type Queue } from '@sluice/core'

/** A change of a live limit by a command. */
export interface LiveChange {
  /** The limit, such as `maxProcessing`. */
  readonly name: string
  /** `null`: it was taken away. */
  readonly value: number | null
  /** The user and the machine of the command. */
  readonly by: string
  /** Epoch ms of the storage's clock. */
  readonly at: number
}

const DOCUMENT = 'service/live-changes'
/** The latest ones are kept. */
const MAX_CHANGES = 20
/** Two commands at the same time: the other one's write comes first at most a few times. */
const MAX_WRITES = 5

type Documents = Pick<Queue, 'document' | 'now'>

/**
 * Records changes that were made, beside those before them.
 *
 * @param limits as they were set
 * @returns whether they are recorded; the changes themselves hold in any case
 * @throws SluiceError an outage of the queue
 */
export async function recordLiveChanges(
  queue: Documents,
  limits: Readonly<Record<string, number | null>>,
): Promise<boolean> {
  const document = queue.document(DOCUMENT)
  try {
    for (let writes = 0; writes < MAX_WRITES; writes++) {
      const [found, at] = await Promise.all([document.read(), queue.now()])
      const made = Object.entries(limits).map(([name, value]) => ({ name, value, by: operator(), at }))
      const changes = [...parse(found?.value), ...made].slice(-MAX_CHANGES)
      if (await document.write(toJson(changes), { ifVersion: found?.version })) return true
    }
    return false
  } catch (error) {
    if (isSluiceError(error, 'SLUICE_QUEUE_DENIED')) return false
    throw error
  }
}

/**
 * The latest changes, the last one last.
 *
 * @throws SluiceError of the queue
 */
export async function readLiveChanges(queue: Documents): Promise<readonly LiveChange[]> {
  return parse((await queue.document(DOCUMENT).read())?.value)
}

function operator(): string {
  return `${userName()}@${hostname()}`
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    // A container may run as a user without a name.
    return String(process.getuid?.() ?? 'unknown')
  }
}

function toJson(changes: readonly LiveChange[]): JsonValue {
  return { format: 1, changes: changes.map((change) => ({ ...change })) }
}

/** As far as it can be read: another version may have written it. */
function parse(value: JsonValue | undefined): LiveChange[] {
  if (!isRecord(value)) return []
  const { changes } = value
  return Array.isArray(changes) ? changes.flatMap(parseChange) : []
}

function parseChange(change: unknown): LiveChange[] {
  if (!isRecord(change)) return []
  const { name, value, by, at } = change
  const isChange = typeof name === 'string' && typeof by === 'string' && typeof at === 'number'
  return isChange && (typeof value === 'number' || value === null) ? [{ name, value, by, at }] : []
}

function isRecord(value: unknown): value is Readonly<Record<string, JsonValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
