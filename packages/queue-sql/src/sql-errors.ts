import { SluiceError, isSluiceError, type ErrorCode } from '@sluice/core'
import { poolerVerdict } from './postgres/connection/pooler-errors.js'
import { StatementOverdueError } from './postgres/connection/statement-watch.js'

/** The file is no longer the one that the connection has open. */
export class FileGoneError extends Error {
  override readonly name = 'FileGoneError'
}

/** The rows of the queue itself are gone: no process would find what is put into it. */
export class QueueGoneError extends Error {
  override readonly name = 'QueueGoneError'

  constructor() {
    super(
      'the queue is no longer in the tables: it was dropped, or the tables were emptied or restored from a backup without it',
    )
  }
}

/** What was attempted, and where, for the message. */
export interface Attempt {
  /** Such as `put into queue "tiles"`. */
  readonly what: string
  readonly place: string
  /** What to do next, if it is known better than from the error's code. */
  readonly advice?: string | undefined
  /** Omits the file named by the file system, such as a trial file that the user does not know. */
  readonly hidesFile?: true
}

export interface Verdict {
  readonly code: ErrorCode
  /** The cause, if the database's own message does not say it clearly. */
  readonly why?: string
  readonly next: string
  readonly retryable?: boolean
}

const DOWN: Verdict = {
  code: 'SLUICE_QUEUE_UNAVAILABLE',
  next: 'Nothing is lost: try again once the database answers',
}
const FULL: Verdict = {
  code: 'SLUICE_QUEUE_UNAVAILABLE',
  why: 'the disk is full',
  next: 'Nothing is lost: free space on the disk of the database, and try again',
}
const BROKEN_DISK: Verdict = {
  code: 'SLUICE_QUEUE_UNAVAILABLE',
  next: 'Nothing is lost: check that the disk is present, healthy and not full, and try again',
}
/** A standby, as during a failover, or a setting. */
const READ_ONLY: Verdict = {
  code: 'SLUICE_QUEUE_UNAVAILABLE',
  why: 'the database is read-only',
  next: 'Nothing is lost. Use the primary in the url if this is a standby, or turn default_transaction_read_only off; then try again',
}
const BUSY: Verdict = {
  code: 'SLUICE_QUEUE_UNAVAILABLE',
  next: 'Other transactions held it for too long: try again, or raise timeoutMs',
}
const DENIED: Verdict = {
  code: 'SLUICE_QUEUE_DENIED',
  next: 'Check the user, the password and the permissions',
}
const DENIED_FILE: Verdict = {
  code: 'SLUICE_QUEUE_DENIED',
  next: 'Check the permissions of the file and of its directory',
}
const DAMAGED: Verdict = {
  code: 'SLUICE_QUEUE_CORRUPT',
  next: 'Restore it from a backup, or use another database',
}
const NOT_OURS: Verdict = {
  code: 'SLUICE_QUEUE_CORRUPT',
  next: 'The tables there are not those of a queue: use another database or another tablePrefix',
}
const GONE: Verdict = {
  code: 'SLUICE_QUEUE_CORRUPT',
  next:
    'Writes to it would be lost, so this queue accepts no more calls. Stop every process that uses the file, put the right ' +
    'one in its place, with its -wal if it has one, and start again',
}
const QUEUE_GONE: Verdict = {
  code: 'SLUICE_QUEUE_CORRUPT',
  next:
    'Nothing was changed. If it was dropped on purpose, stop this process; otherwise stop every process that uses the queue, restore what is ' +
    'missing, and start again',
}
const WRONG_PATH: Verdict = {
  code: 'SLUICE_CONFIG_INVALID',
  next: 'The system does not accept this path: correct the url',
}
const NO_DATABASE: Verdict = {
  code: 'SLUICE_CONFIG_INVALID',
  next: 'Create the database, or correct the url',
}
const UNTRUSTED: Verdict = {
  code: 'SLUICE_CONFIG_INVALID',
  why: 'the certificate of the server is not trusted',
  next: 'Add the certificate authority that signed it, and use the host name that it is for: `?sslmode=verify-full&sslrootcert=FILE` in the url',
}
const UNKNOWN: Verdict = {
  code: 'SLUICE_QUEUE_UNAVAILABLE',
  next: 'See the cause; trying again unchanged is unlikely to help',
  retryable: false,
}

/**
 * Class (first two characters) or whole SQLSTATE. @see
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const BY_SQLSTATE: Readonly<Record<string, Verdict>> = {
  '08': DOWN,
  // Only one part of a statement divides: see `QUEUE_EXISTS`.
  '22012': { ...QUEUE_GONE, why: new QueueGoneError().message },
  '25006': READ_ONLY,
  '25P03': DOWN,
  '28': DENIED,
  '3D000': NO_DATABASE,
  '3F000': DENIED, // no schema of the search path may be used
  '40': BUSY, // serialization failure and deadlock, tried several times already
  '42501': DENIED,
  '42': NOT_OURS, // undefined table or column, duplicate table: our statements are fixed
  '53': DOWN,
  '53100': FULL,
  '55P03': BUSY,
  '57': DOWN,
  '57014': BUSY,
  '58': DOWN,
  XX001: DAMAGED,
  XX002: DAMAGED,
}

/** Primary or extended result codes. @see https://www.sqlite.org/rescode.html */
const BY_SQLITE_CODE: Readonly<Record<number, Verdict>> = {
  1: NOT_OURS, // no such table or column: our statements are fixed
  3: DENIED_FILE,
  5: BUSY,
  6: BUSY,
  8: DENIED_FILE,
  10: BROKEN_DISK,
  4874: FULL, // IOERR_SHMSIZE: no room for the index of the write-ahead log
  11: DAMAGED,
  13: FULL,
  14: DENIED_FILE,
  23: DENIED_FILE,
  26: {
    code: 'SLUICE_QUEUE_CORRUPT',
    next: 'It is not a SQLite database, or it is encrypted or of a newer format: use another file',
  },
  522: DAMAGED, // IOERR_SHORT_READ: the write-ahead log was cut short
}

/** Primary result code of a failing disk. */
const IOERR = 10

/** Codes of Node.js system errors: sockets, DNS and files. */
const BY_SYSTEM_CODE: Readonly<Record<string, Verdict>> = {
  EACCES: DENIED_FILE,
  EPERM: DENIED_FILE,
  EROFS: DENIED_FILE,
  ENOSPC: FULL,
  EDQUOT: FULL,
  ENOTDIR: { code: 'SLUICE_CONFIG_INVALID', next: 'A part of its path is a file: correct the url' },
  ELOOP: WRONG_PATH,
  ENAMETOOLONG: WRONG_PATH,
  EEXIST: { code: 'SLUICE_CONFIG_INVALID', next: 'A part of its path is a file: correct the url' },
}

/** Codes of Node's TLS. @see https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const UNTRUSTED_CODES =
  /^(?:ERR_TLS_CERT_ALTNAME_INVALID|CERT_|DEPTH_ZERO_SELF_SIGNED_CERT$|SELF_SIGNED_CERT_IN_CHAIN$|UNABLE_TO_(?:GET|VERIFY)_)/

/** Messages of pg without a code. */
const DOWN_MESSAGES =
  /timeout exceeded when trying to connect|timeout expired|Connection terminated|Client (?:has encountered|was closed|is not queryable)|database is not open|not support SSL/

/** Messages of pg before there is a connection. */
const UNSENT_MESSAGES =
  /^(?:timeout exceeded when trying to connect|timeout expired|Connection terminated due to connection timeout)$/

/**
 * Turns a database's error into a `SluiceError`. A `SluiceError`, or a caller's `TypeError`, stays as it is.
 */
export function sqlError(error: unknown, attempt: Attempt): Error {
  if (isSluiceError(error)) return error
  if (error instanceof TypeError && codeOf(error) === undefined) return error
  const { code, why, next, retryable } = verdictOn(error)
  const said = attempt.hidesFile === true ? withoutFile(reasonOf(error)) : reasonOf(error)
  const reason = why === undefined ? said : `${why} (${said})`
  const message = `Could not ${attempt.what} in ${attempt.place}: ${reason}. ${attempt.advice ?? next}`
  return new SluiceError(code, message, { cause: error, ...(retryable === undefined ? {} : { retryable }) })
}

/** SLUICE_QUEUE_CORRUPT for a queue that is no longer in the tables. */
export function queueGone({ what, place }: Attempt): SluiceError {
  const cause = new QueueGoneError()
  return new SluiceError(
    QUEUE_GONE.code,
    `Could not ${what} in ${place}: ${cause.message}. ${QUEUE_GONE.next}`,
    { cause },
  )
}

/**
 * Whether a failed call may have been executed: the connection was lost without an error of the database. A
 * disk may fail SQLite after the commit is written: the next process to open the file may find it.
 */
export function isOutcomeUnknown(error: unknown): boolean {
  if (!isSluiceError(error) || error.cause === undefined) return false
  const { cause } = error
  const sqliteCode = sqliteCodeOf(cause)
  if (sqliteCode !== undefined) return (sqliteCode & 0xff) === IOERR
  return !isDatabaseError(cause) && !isUnsent(cause)
}

/** There was no connection, so nothing was sent. */
function isUnsent(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof AggregateError) return true
  const isOfConnecting =
    'syscall' in error && (error.syscall === 'connect' || error.syscall === 'getaddrinfo')
  return isOfConnecting || UNSENT_MESSAGES.test(error.message)
}

/** Whether another connection has the lock. */
export function isSqliteBusy(error: unknown): boolean {
  const primary = (sqliteCodeOf(error) ?? 0) & 0xff
  return primary === 5 || primary === 6
}

/** Whether a row of the same key exists: SQLITE_CONSTRAINT_UNIQUE. */
export function isSqliteKnown(error: unknown): boolean {
  return sqliteCodeOf(error) === 2067
}

/**
 * Whether PostgreSQL rolled this transaction back because of another: deadlock, serialization failure or
 * stale plan.
 */
export function isPostgresContention(error: unknown): boolean {
  const code = codeOf(error)
  return code === '40P01' || code === '40001' || isStalePlan(error)
}

/**
 * SQLSTATE feature_not_supported: the message, "cached plan must not change result type", may be in another
 * language. No other cause applies to the statements here.
 *
 * @see https://www.postgresql.org/docs/current/sql-prepare.html
 */
export function isStalePlan(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '0A000'
}

function verdictOn(error: unknown): Verdict {
  const sqliteCode = sqliteCodeOf(error)
  if (sqliteCode !== undefined) return verdictOnSqlite(sqliteCode)
  const code = codeOf(error)
  const ofPooler = poolerVerdict(error)
  if (ofPooler !== undefined) return ofPooler
  if (code !== undefined && UNTRUSTED_CODES.test(code)) return UNTRUSTED
  if (code !== undefined && /^[0-9A-Z]{5}$/.test(code) && isDatabaseError(error)) {
    return BY_SQLSTATE[code] ?? BY_SQLSTATE[code.slice(0, 2)] ?? UNKNOWN
  }
  if (code !== undefined && isSystemError(error)) return BY_SYSTEM_CODE[code] ?? DOWN
  if (error instanceof FileGoneError) return GONE
  if (error instanceof QueueGoneError) return QUEUE_GONE
  if (error instanceof StatementOverdueError) return DOWN
  return error instanceof Error && DOWN_MESSAGES.test(error.message) ? DOWN : UNKNOWN
}

/** Extended codes carry the primary one in their lowest byte. */
function verdictOnSqlite(code: number): Verdict {
  return BY_SQLITE_CODE[code] ?? BY_SQLITE_CODE[code & 0xff] ?? UNKNOWN
}

function sqliteCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number')
    return undefined
  return error.errcode
}

export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined
  return error.code
}

function isDatabaseError(error: unknown): boolean {
  return error instanceof Error && 'severity' in error
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && ('syscall' in error || error instanceof AggregateError)
}

/** A refused connection to a name with two addresses is an `AggregateError` without a message. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map((inner: unknown) => reasonOf(inner)).join(', ')
  }
  return `${error.message}${detailOf(error)}`.replace(/\.$/, '')
}

/** Removes the call and the path, as in `EACCES: permission denied, open '/x/y'`. */
function withoutFile(text: string): string {
  return text.replace(/, \w+ '.*'$/su, '')
}

/** For a refused database the privilege is only in the detail. */
function detailOf(error: Error): string {
  if (codeOf(error) !== '42501' || !('detail' in error) || typeof error.detail !== 'string') return ''
  return `: ${error.detail}`
}
