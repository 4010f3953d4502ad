import { SluiceError, silentLogger, type JsonValue } from '@sluice/core'
import type { GuaranteeWatch } from '../probe/guarantee-watch.js'
import type { Layout } from './layout.js'
import { parseObject } from './object-texts.js'
import { runProtocol } from '../store/protocol-run.js'
import { placeText } from '../store/s3-errors.js'
import type { S3Store } from '../store/s3-store.js'
import { createOnce, read, type Protocol } from '../store/storage-op.js'

const FORMAT = 2
/**
 * What a process must know to use a queue of this layout. Until the first release each change of the layout
 * takes the next `draft-N`, without migration; later changes add a name for what they add.
 */
const NEEDS: readonly string[] = ['draft-5']
/**
 * A need that no version knows, so that none opens a queue that a drop has partly deleted, and each process
 * that has it open stops at its next check.
 */
const DROPPING = 'dropping'

interface QueueWanted {
  readonly name: string
  readonly shards: number | undefined
  readonly watch: GuaranteeWatch
}

/**
 * The number of shards: fixed by the process that opens the queue first, since a process that assumed fewer
 * would miss items. A queue of another layout is refused with the difference named.
 *
 * @throws SluiceError SLUICE_QUEUE_CORRUPT, SLUICE_CONFIG_INVALID for other shards than it was made with
 */
export async function settledShards(store: S3Store, layout: Layout, wanted: QueueWanted): Promise<number> {
  const { watch } = wanted
  const fields =
    parseObject(await runProtocol(store, settings(layout, wanted), { logger: silentLogger, watch })) ?? {}
  const refusal = layoutRefusal(fields)
  const head = `Cannot open the queue in ${placeText(store.place)}`
  if (refusal !== undefined) throw new SluiceError('SLUICE_QUEUE_CORRUPT', `${head}: ${refusal}`)
  const { shards, name } = fields
  if (typeof name === 'string' && name !== wanted.name) {
    const text = `${head}: the queue there is named ${JSON.stringify(name)}. Use that name, or another one`
    throw new SluiceError('SLUICE_CONFIG_INVALID', text)
  }
  if (typeof shards !== 'number' || !Number.isInteger(shards) || shards < 1 || shards > 256)
    throw new SluiceError('SLUICE_QUEUE_CORRUPT', `${head}: ${DAMAGED}`)
  if (wanted.shards === undefined || wanted.shards === shards) return shards
  throw new SluiceError(
    'SLUICE_CONFIG_INVALID',
    `${head} with shards ${wanted.shards}: it was made with ${shards}. Give that, or leave it out`,
  )
}

/**
 * Why a process that has the queue open can't continue after what QUEUE says now; also `undefined` where it
 * says nothing: one bad answer is no newer version.
 */
export function refusalOf(text: string): string | undefined {
  const fields = parseObject(text)
  return typeof fields?.['format'] === 'number' ? layoutRefusal(fields) : undefined
}

const DAMAGED = 'its object QUEUE is damaged. Restore it, or use another name or prefix'
const NEW_QUEUE = 'start a new queue under another name or prefix'

/** Why a queue of these settings can't be used, and what to do; `undefined` for one of this layout. */
function layoutRefusal(fields: Readonly<Record<string, JsonValue | undefined>>): string | undefined {
  const { format } = fields
  if (typeof format !== 'number') return DAMAGED
  if (isBeingDropped(fields))
    return 'it is being dropped. Let that end, or drop it again if it was stopped; then a new queue of this name can be made'
  if (format < FORMAT)
    return (
      `it is of format ${format}, whose keys have other names, and this version of @sluice/queue-s3 uses format ${FORMAT}. Finish its ` +
      `items with the version that made it, or ${NEW_QUEUE} and put them there`
    )
  if (format > FORMAT)
    return `it is of format ${format}, and this version of @sluice/queue-s3 uses format ${FORMAT}. Use a later version, or ${NEW_QUEUE}`
  return needsRefusal(fields['needs'])
}

function isBeingDropped({ needs }: Readonly<Record<string, JsonValue | undefined>>): boolean {
  return Array.isArray(needs) && needs.includes(DROPPING)
}

/** What QUEUE says of a queue, for listing or dropping it. */
export interface QueueFacts {
  readonly state: 'ready' | 'dropping' | 'unreadable'
  /** As it was given; absent where QUEUE doesn't say. */
  readonly name?: string
  /** For messages. */
  readonly format: string
}

/** What QUEUE says, whatever its format. */
export function factsOf(text: string): QueueFacts {
  const fields = parseObject(text) ?? {}
  const { format, name, needs } = fields
  const needed = (Array.isArray(needs) ? needs : []).filter((need) => need !== DROPPING)
  const parts = [typeof format === 'number' ? `format ${format}` : 'unknown format', ...needed]
  return {
    state: isBeingDropped(fields) ? 'dropping' : layoutRefusal(fields) === undefined ? 'ready' : 'unreadable',
    format: parts.join(', ').slice(0, 100),
    ...(typeof name === 'string' ? { name } : {}),
  }
}

/** The content of QUEUE while a queue is being dropped. */
export function droppingText(name: string): string {
  return JSON.stringify({ sluice: 1, format: FORMAT, needs: [...NEEDS, DROPPING], shards: 1, name })
}

function needsRefusal(needs: JsonValue | undefined): string | undefined {
  const needed = Array.isArray(needs) ? needs : []
  const unknown = needed.filter((need) => typeof need !== 'string' || !NEEDS.includes(need))
  if (unknown.length > 0)
    return (
      `it needs ${listed(unknown)}, which this version of @sluice/queue-s3 does not know. Use the version that made it, or a later one; or ` +
      NEW_QUEUE
    )
  const lacking = NEEDS.filter((need) => !needed.includes(need))
  if (lacking.length === 0) return undefined
  return (
    `it lacks ${listed(lacking)}, which the layout of this version of @sluice/queue-s3 relies on. Finish its items with the version that ` +
    `made it, or ${NEW_QUEUE}`
  )
}

function listed(names: readonly unknown[]): string {
  return names.map((name) => JSON.stringify(name).slice(0, 80)).join(', ')
}

function* settings(layout: Layout, { name, shards = 1 }: QueueWanted): Protocol<string> {
  const key = layout.settings()
  const known = yield* read(key)
  if (known !== undefined) return known.content
  const text = JSON.stringify({ sluice: 1, format: FORMAT, needs: NEEDS, shards, name })
  yield* createOnce(key, text, { token: `shards${shards}` })
  return (yield* read(key))?.content ?? ''
}
