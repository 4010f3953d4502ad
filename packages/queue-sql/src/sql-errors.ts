import { SluiceError, isSluiceError, type ErrorCode } from '@sluice/core'
import { poolerVerdict } from './postgres/pooler-errors.js'
import { StatementOverdueError } from './postgres/statement-watch.js'

/** A file is no longer the one that a connection has open. */
export class FileGoneError extends Error {
  override readonly name = 'FileGoneError'
}

/** The rows of the queue itself are no longer there: nobody would find what is put into it. */
export class QueueGoneError extends Error {
  override readonly name = 'QueueGoneError'

  constructor() {
    super(
      'the queue is no longer in the tables: it was dropped, or they were emptied, or restored from a backup without it',
    )
  }
}

/** What was attempted, and where, for the message. */
export interface Attempt {
  /** Such as `put into queue "tiles"`. */
  readonly what: string
  readonly place: string
  /** What to do next, where that is known better than by the code of the error. */
  readonly advice?: string | undefined
  /** The file system names a file that nobody knows, such as one that only tries whether any can be made: it is left out. */
  readonly hidesFile?: true
}

export interface Verdict {
  readonly code: ErrorCode
  /** In plain words, where the database's own are not. */
  readonly why?: string
  readonly next: string
  readonly retryable?: boolean
}

const DOWN: Verdict = {
  code: 'SLUICE_QUEUE_UNAVAILABLE',
  next: 'Nothing is lost: it can be tried again once the database answers',
}
const FULL: Verdict = {
  code: 'SLUICE_QUEUE_UNAVAILABLE',
  why: 'the disk is full',
  next: 'Nothing is lost: make room on the disk of the database, then it can be tried again',
}
const BROKEN_DISK: Verdict = {
  code: 'SLUICE_QUEUE_UNAVAILABLE',
  next: 'Nothing is lost: check that the disk is there, sound and not full, then it can be tried again',
}
/** A standby, as in the middle of a failover, or a setting. */
const READ_ONLY: Verdict = {
  code: 'SLUICE_QUEUE_UNAVAILABLE',
  why: 'the database takes no writes',
  next: 'Nothing is lost. Name the primary in the url if this is a standby, or turn default_transaction_read_only off; then it can be tried again',
}
const BUSY: Verdict = {
  code: 'SLUICE_QUEUE_UNAVAILABLE',
  next: 'Others held it for too long: try again, or raise timeoutMs',
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
  next: 'Restore it from a backup, or name another database',
}
const NOT_OURS: Verdict = {
  code: 'SLUICE_QUEUE_CORRUPT',
  next: 'The tables there are not those of a queue: use another database or another tablePrefix',
}
const GONE: Verdict = {
  code: 'SLUICE_QUEUE_CORRUPT',
  next:
    'What is written to it now would be lost, so this queue takes no more calls. Stop every process that uses the file, put the right ' +
    'one in its place, its -wal beside it if it has one, and start again',
}
const QUEUE_GONE: Verdict = {
  code: 'SLUICE_QUEUE_CORRUPT',
  next:
    'Nothing was changed. If it was dropped on purpose, stop this process; else stop every process that uses the queue, restore what is ' +
    'missing, and start again',
}
const WRONG_PATH: Verdict = {
  code: 'SLUICE_CONFIG_INVALID',
  next: 'The system takes no such path: correct the url',
}
const NO_DATABASE: Verdict = {
  code: 'SLUICE_CONFIG_INVALID',
  next: 'Create the database, or correct the url',
}
const UNTRUSTED: Verdict = {
  code: 'SLUICE_CONFIG_INVALID',
  why: 'the certificate of the server is not trusted',
  next: 'Give the authority that signed it, and the name that it is for: `?sslmode=verify-full&sslrootcert=FILE` in the url',
}
const UNKNOWN: Verdict = {
  code: 'SLUICE_QUEUE_UNAVAILABLE',
  next: 'The cause says more; trying again unchanged will hardly help',
  retryable: false,
}

/** Class (first two characters) or whole SQLSTATE. @see https://www.postgresql.org/docs/current/errcodes-appendix.html */
const BY_SQLSTATE: Readonly<Record<string, Verdict>> = {
  '08': DOWN,
  // Only one statement part divides: see `QUEUE_EXISTS`.
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
    next: 'It is not a SQLite database, or is encrypted, or of a newer format: name another file',
  },
  522: DAMAGED, // IOERR_SHORT_READ: the write-ahead log was cut short
}

/** Primary result code of a disk that fails. */
const IOERR = 10

/** Codes of Node's own errors: of sockets, of names and of files. */
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

/** What pg says without a code. */
const DOWN_MESSAGES =
  /timeout exceeded when trying to connect|timeout expired|Connection terminated|Client (?:has encountered|was closed|is not queryable)|database is not open|not support SSL/

/** What pg says while there is no connection yet. */
const UNSENT_MESSAGES =
  /^(?:timeout exceeded when trying to connect|timeout expired|Connection terminated due to connection timeout)$/

/** Makes a database's error ours. One that is ours already, or a caller's mistake, stays as it is. */
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
 * Whether a call that failed may have been done all the same: the connection was lost, and no database said that it failed. A disk that fails SQLite may do so
 * after the commit is written: whoever opens the file next may find it.
 */
export function isOutcomeUnknown(error: unknown): boolean {
  if (!isSluiceError(error) || error.cause === undefined) return false
  const { cause } = error
  const sqliteCode = sqliteCodeOf(cause)
  if (sqliteCode !== undefined) return (sqliteCode & 0xff) === IOERR
  return !isDatabaseError(cause) && !isUnsent(cause)
}

/** No connection was made, so nothing was sent. */
function isUnsent(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof AggregateError) return true
  const isOfConnecting =
    'syscall' in error && (error.syscall === 'connect' || error.syscall === 'getaddrinfo')
  return isOfConnecting || UNSENT_MESSAGES.test(error.message)
}

/** Whether SQLite refused because another connection has the lock. */
export function isSqliteBusy(error: unknown): boolean {
  const primary = (sqliteCodeOf(error) ?? 0) & 0xff
  return primary === 5 || primary === 6
}

/** Whether PostgreSQL gave up this transaction for the sake of another: deadlock or serialization failure. */
export function isPostgresContention(error: unknown): boolean {
  const code = codeOf(error)
  return code === '40P01' || code === '40001' || isStalePlan(error)
}

/**
 * SQLSTATE feature_not_supported: the message, "cached plan must not change result type", may be in another language. Nothing else that is sent here can
 * meet with it.
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

/** A refused connection to a name with two addresses is an `AggregateError` without a message of its own. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map((inner: unknown) => reasonOf(inner)).join(', ')
  }
  return `${error.message}${detailOf(error)}`.replace(/\.$/, '')
}

/** Of `EACCES: permission denied, open '/x/y'` the call and the path. */
function withoutFile(text: string): string {
  return text.replace(/, \w+ '.*'$/su, '')
}

/** A database that may not be connected to is named in the message, the privilege only in the detail. */
function detailOf(error: Error): string {
  if (codeOf(error) !== '42501' || !('detail' in error) || typeof error.detail !== 'string') return ''
  return `: ${error.detail}`
}
