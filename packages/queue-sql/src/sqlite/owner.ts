import { SluiceError } from '@sluice/core'
import { CompiledQuery, type Kysely } from 'kysely'
import { versionOf, type Migration } from '../schema/migration.js'
import type { Tables } from '../schema/tables.js'

/**
 * Refuses a file that another program has marked as its own, before anything of it is changed. One that has tables of others and no mark is taken: whoever
 * names it may want ours beside them.
 *
 * @see https://www.sqlite.org/pragma.html#pragma_application_id
 * @throws SluiceError SLUICE_QUEUE_CORRUPT
 */
export async function assertOurs(db: Kysely<Tables>, migration: Migration): Promise<void> {
  const { rows } = await db.executeQuery<{ application_id: number }>(
    CompiledQuery.raw('pragma application_id'),
  )
  const id = rows[0]?.application_id ?? 0
  if (id === 0 || (await versionOf(db, migration)) > 0) return
  throw new SluiceError(
    'SLUICE_QUEUE_CORRUPT',
    `Cannot open a queue in ${migration.place}: it is the file of another program (application_id 0x${(id >>> 0).toString(16)}). ` +
      'Name another file',
  )
}
