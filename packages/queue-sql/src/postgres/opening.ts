import { SluiceError } from '@sluice/core'
import { sql, type Kysely } from 'kysely'
import { SCHEMA_VERSION } from '../schema/steps.js'
import type { TableNames, Tables } from '../schema/tables.js'
import { codeOf } from '../sql-errors.js'
import type { OpenOptions } from '../sql-store.js'
import {
  durabilityWarnings,
  serverSettings,
  type CommitLevel,
  type ServerSettings,
} from './connection/durability.js'
import { POSTGRES_SLOTS } from './statements/parts.js'

export interface OpeningParts {
  readonly names: TableNames
  readonly place: string
  readonly level: CommitLevel | undefined
  readonly warn: OpenOptions['warn']
}

interface OpeningRow extends ServerSettings {
  readonly encoding: string
  readonly version: number | null
  readonly id: number | null
}

/**
 * Class 42 without a table, a column or a privilege: the steps one by one find out which, and make what is
 * missing.
 */
const STEPS_NEEDED = new Set(['42P01', '42703', '42501'])

/**
 * All that an opening has to know, in one statement: a server may be far away.
 *
 * @returns the id of the queue, if it and its counters exist in tables of this version
 */
export async function openKnown(
  db: Kysely<Tables>,
  name: string,
  { names, place, level, warn }: OpeningParts,
): Promise<number | undefined> {
  const row = await readOpening(db, names, name)
  if (row === undefined) return undefined
  assertUtf8(row.encoding, place)
  if (row.version !== SCHEMA_VERSION || row.id === null) return undefined
  if (warn !== undefined) for (const text of durabilityWarnings(row, { place, level })) warn(text)
  return row.id
}

async function readOpening(
  db: Kysely<Tables>,
  names: TableNames,
  name: string,
): Promise<OpeningRow | undefined> {
  const { schema, queues, counters } = names
  try {
    const { rows } = await sql<OpeningRow>`select getdatabaseencoding() as encoding,
      (select max(version) from ${sql.table(schema)}) as version,
      (select id from ${sql.table(queues)} q where name = ${name}
        and (select count(*) from ${sql.table(counters)} where queue_id = q.id) = ${POSTGRES_SLOTS}) as id,
      ${serverSettings(names)}`.execute(db)
    return rows[0]
  } catch (error) {
    if (STEPS_NEEDED.has(codeOf(error) ?? '')) return undefined
    throw error
  }
}

export async function readEncoding(db: Kysely<Tables>): Promise<string | undefined> {
  const { rows } = await sql<{ encoding: string }>`select getdatabaseencoding() as encoding`.execute(db)
  return rows[0]?.encoding
}

/** Other encodings cannot store some ids, which would fail one item at a time. */
export function assertUtf8(encoding: string | undefined, place: string): void {
  if (encoding === 'UTF8') return
  throw new SluiceError(
    'SLUICE_CONFIG_INVALID',
    `The database of ${place} has the encoding ${encoding}; ids and bodies need UTF8. Create one with: createdb --encoding UTF8`,
  )
}
