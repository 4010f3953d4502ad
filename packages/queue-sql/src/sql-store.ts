import type { Runtime, SharedBy } from '@sluice/core'
import type { Dialect, Kysely, RawBuilder } from 'kysely'
import type { Moves } from './items/moves.js'
import type { TableNames, Tables } from './schema/tables.js'

/** What whoever opens a database lends it beside the settings. */
export interface OpenOptions {
  /** Lets tests put a driver that dies between kysely and the database. */
  readonly wrap?: ((dialect: Dialect) => Dialect) | undefined
  /** Time, randomness and ids. Default the machine's. SQLite's statements read the clock of any other one, too. */
  readonly runtime?: Runtime | undefined
  /** For what an operator should hear of. */
  readonly warn?: ((text: string) => void) | undefined
}

/** {@link OpenOptions} with the runtime that everything of a store takes. */
export type StoreOptions = OpenOptions & { readonly runtime: Runtime }

/** One open database, PostgreSQL or SQLite: all that differs between the two. */
export interface SqlStore {
  readonly db: Kysely<Tables>
  readonly names: TableNames
  readonly runtime: Runtime
  /** Where it is, for messages: host and database, or the path. Never a password. */
  readonly place: string
  readonly durable: boolean
  readonly sharedBy: SharedBy
  /** The `timeoutMs` of the options. */
  readonly timeoutMs: number
  /** The longest that one call with few bytes may take, as README.md derives it. */
  readonly longestCallMs: number
  /** The storage's clock in epoch ms, as an SQL expression. */
  readonly nowMs: RawBuilder<number>
  /** Items `i` beside their rows in `processing` `p` and `finished` `f`, where they have them: what follows `from`. */
  readonly facts: RawBuilder<unknown>
  /** What is claimed, `p`, beside the items `i`: what follows `from`. */
  readonly claimed: RawBuilder<unknown>
  /** Ends a query for the row of a lease, which nobody then changes before the statement is committed. */
  readonly shared: RawBuilder<unknown>
  /** Ends a query for the row of a queue, which nobody then drops before the statement is committed. */
  readonly kept: RawBuilder<unknown>
  /** Part of each single statement that writes beside the moves: it is committed durably, whatever the settings of the server. Always true. */
  readonly durably: RawBuilder<boolean>
  /** How many rows of counters a queue has: one for each writer that may be at it at once, more or less. */
  readonly counterSlots: number
  /** How many batches of one kind of call a process may have under way, unless they must keep an order. */
  readonly concurrency: number
  /** `column = one of these`, as one parameter whatever their number. */
  among(column: 'seq' | 'i.id' | 'i.seq', values: readonly (string | number)[]): RawBuilder<boolean>
  /** The moves of one queue. */
  moves(queueId: number): Moves
  /** Whether the whole transaction failed only because of another one, and is to be run again. */
  isContention(error: unknown): boolean
  /** Pause before the next try after contention, in ms. `undefined`: tried often enough. */
  pauseMs(tries: number, spentMs: number): number | undefined
  /** What to do about an error that the database alone can explain, such as a missing privilege. */
  adviceOn?(error: unknown): Promise<string | undefined>
  /** The version of the tables, 0 where there are none; creates nothing. */
  tablesVersion(): Promise<number>
  /** Creates and upgrades the tables; any number of processes may do so at once. */
  migrate(): Promise<void>
  /** Creates the tables in a transaction that is rolled back. */
  tryMigration(): Promise<void>
  /** What the role of this connection may not do and a queue needs, with the statements that permit it. `undefined`: nothing. Absent: there are no roles. */
  lackingPrivileges?(): Promise<string | undefined>
  /** What an INSERT needs that gives a value for a column that the database numbers. */
  readonly overriding: string
  /** Makes the index that finds finished items by their age, if it isn't there yet. */
  indexAges(): Promise<void>
  /** Called before each try of a call: what has to be done first, if anything. */
  prepareCall?(atMonotonic: number): Promise<void> | undefined
  /**
   * Called before a call and before its outcome is told.
   *
   * @throws when what is open is no longer what lies at its place: then no call has been, or will be, of any use
   */
  assertInPlace?(atMonotonic: number): void
  close(): Promise<void>
}
