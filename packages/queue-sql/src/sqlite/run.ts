import { CompiledQuery, type Kysely } from 'kysely'
import type { Tables } from '../schema/tables.js'

/** Runs one of the statements, and gives its rows. */
export async function all<Row>(
  db: Kysely<Tables>,
  text: string,
  parameters: readonly unknown[],
): Promise<Row[]> {
  const { rows } = await db.executeQuery<Row>(CompiledQuery.raw(text, [...parameters]))
  return rows
}

/** The one parameter of a statement that is for many items. */
export function seqList(rows: readonly { seq: number }[]): string {
  return JSON.stringify(rows.map(({ seq }) => seq))
}
