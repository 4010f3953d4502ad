import type { Runtime, SharedBy } from '@sluice/core'
import type { Dialect, Kysely, RawBuilder } from 'kysely'
import type { Moves } from './items/moves.js'
import type { ProcessingRows } from './items/processing-rows.js'
import type { TableNames, Tables } from './schema/tables.js'

/** Options for opening a database besides the settings. */
export interface OpenOptions {
  /** For tests: wraps the driver between kysely and the database. */
  readonly wrap?: ((dialect: Dialect) => Dialect) | undefined
  /** For tests: from how many items on a put is one by `BulkPuts`. */
  readonly minBulkRows?: number | undefined
  /** Default the machine's. Any other one is also the clock of SQLite's statements. */
  readonly runtime?: Runtime | undefined
  /** For a short command: a connection is opened only where it is needed, and closing waits for no server. */
  readonly brief?: boolean | undefined
  /** Warnings for the operator. */
  readonly warn?: ((text: string) => void) | undefined
}

/** {@link OpenOptions} with the runtime that every part of a store uses. */
export type StoreOptions = OpenOptions & { readonly runtime: Runtime }

/** What differs between PostgreSQL and SQLite within statements. */
export interface SqlExpressions {
  /** The storage's clock, epoch ms. */
  readonly nowMs: RawBuilder<number>
  /** A `from` clause: items `i` with their rows in `processing` `p` and `finished` `f`, if any. */
  readonly facts: RawBuilder<unknown>
  /** Ends a query for the row of a lease: locks it against changes until the statement commits. */
  readonly shared: RawBuilder<unknown>
  /** Ends a query for the row of a queue: locks it against a drop until the statement commits. */
  readonly kept: RawBuilder<unknown>
  /**
   * Part of each writing statement other than the moves: makes its commit durable whatever the server's
   * settings. Always true.
   */
  readonly durably: RawBuilder<boolean>
  /** The rows of counters of a queue: about one per concurrent writer. */
  readonly counterSlots: number
  /** The clause of an INSERT that sets an identity column. */
  readonly overriding: string
  /** `column` is one of these values, as one parameter. */
  among(column: 'seq' | 'i.id' | 'i.seq', values: readonly (string | number)[]): RawBuilder<boolean>
}

/** The tables of a store. */
export interface SqlUpkeep {
  /** The version of the tables, 0 if there are none; creates nothing. */
  tablesVersion(): Promise<number>
  /**
   * All of an opening at once, for a queue that exists in tables of this version. `undefined`: the steps one
   * by one are needed. Absent where it would be no faster.
   */
  openKnown?(name: string): Promise<number | undefined>
  /** Creates and upgrades the tables; safe to run in many processes at once. */
  migrate(): Promise<void>
  /** Creates the tables in a transaction that is rolled back. */
  tryMigration(): Promise<void>
  /** Creates the index of finished items by age, if it does not exist. */
  indexAges(): Promise<void>
}

/** One open database: everything in which PostgreSQL and SQLite differ. */
export interface SqlStore extends SqlExpressions, SqlUpkeep {
  readonly db: Kysely<Tables>
  readonly names: TableNames
  readonly runtime: Runtime
  /** Host and database, or the path, for messages. Never a password. */
  readonly place: string
  readonly durable: boolean
  readonly sharedBy: SharedBy
  /** The `timeoutMs` of the options. */
  readonly timeoutMs: number
  /** The longest time of a call with few bytes, as derived in README.md. */
  readonly longestCallMs: number
  /** Batches of one kind of call that a process runs at once, unless they must keep an order. */
  readonly concurrency: number
  /** The moves of one queue. */
  moves(queueId: number): Moves
  /** The pages of PROCESSING of one queue. */
  processing(queueId: number): ProcessingRows
  /** Whether the transaction failed only because of another one, and is to be retried. */
  isContention(error: unknown): boolean
  /** The pause before the next try after contention; `undefined`: no further try. */
  pauseMs(tries: number, spentMs: number): number | undefined
  /** What to do about an error that only the database can explain, such as a missing privilege. */
  adviceOn?(error: unknown): Promise<string | undefined>
  /**
   * The privileges that the role lacks, with the statements that grant them; `undefined`: none. Absent
   * without roles.
   */
  lackingPrivileges?(): Promise<string | undefined>
  /** Called before each try of a call; what must be done first, if anything. */
  prepareCall?(atMonotonic: number): Promise<void> | undefined
  /**
   * Called before a call and before its outcome is reported.
   *
   * @throws if the open file is no longer the one at its path
   */
  assertInPlace?(atMonotonic: number): void
  close(): Promise<void>
}
