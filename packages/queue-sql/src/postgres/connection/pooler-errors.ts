import type { Verdict } from '../../sql-errors.js'

/*
 * PgBouncer's own errors. Nearly all are SQLSTATE 08P01 and FATAL, so only the message distinguishes them; it
 * is always in English, and the same from 1.18 to 1.25 (as tested).
 */

const SESSION_SETTINGS = 'options, statement_timeout, lock_timeout, idle_in_transaction_session_timeout'

const REFUSED_SETTINGS: Verdict = {
  code: 'SLUICE_CONFIG_INVALID',
  why: 'PgBouncer refuses session settings',
  next:
    'Set `preparedStatements: false`, or connect to the server directly. Or, with PgBouncer 1.21 or later and max_prepared_statements above 0, let it ignore them: ' +
    `ignore_startup_parameters = ${SESSION_SETTINGS}`,
}
const NO_STATEMENTS: Verdict = {
  code: 'SLUICE_CONFIG_INVALID',
  why: 'a pooler such as PgBouncer gives each transaction another connection, which lacks the prepared statements',
  next:
    'Set `preparedStatements: false`, or max_prepared_statements of PgBouncer above 0 (the default from 1.24 on, off in 1.21 to 1.23, not available before). ' +
    'Or connect to the server directly',
}
const ALL_BUSY: Verdict = {
  code: 'SLUICE_QUEUE_UNAVAILABLE',
  why: 'all server connections of PgBouncer were in use for longer than its query_wait_timeout',
  next: 'Nothing was done; try again. Raise default_pool_size of PgBouncer to the sum of all `poolSize`, or lower those',
  retryable: true,
}
const TOO_MANY_CLIENTS: Verdict = {
  code: 'SLUICE_QUEUE_UNAVAILABLE',
  why: 'PgBouncer has reached its limit of clients',
  next: 'Nothing was done; try again. Raise max_client_conn of PgBouncer (or max_user_connections, max_db_client_connections), or lower `poolSize`',
  retryable: true,
}
const LOGIN_REFUSED: Verdict = {
  code: 'SLUICE_QUEUE_DENIED',
  why: 'PgBouncer cannot log in to the server',
  next: 'Correct the user or the password that PgBouncer uses: auth_file, auth_query, or user= and password= of the database in its section [databases]',
}
const LOGIN_FAILING: Verdict = {
  code: 'SLUICE_QUEUE_UNAVAILABLE',
  why: 'PgBouncer could not connect to the server a moment ago',
  next: 'It tries again after its server_login_retry (15 s by default); its log has the cause. Check that the server is up, and the user and the password that PgBouncer uses',
  retryable: true,
}
const CLIENT_REFUSED: Verdict = {
  code: 'SLUICE_QUEUE_DENIED',
  why: 'PgBouncer, or the server behind it, refuses this user',
  next:
    'Check the user and the password of the url against auth_file, auth_query and auth_hba_file of PgBouncer, and those that it uses for the server: ' +
    'user= and password= of the database in its section [databases]',
}
const NO_DATABASE: Verdict = {
  code: 'SLUICE_CONFIG_INVALID',
  why: 'PgBouncer has no such database',
  next: 'Add it to the section [databases] of PgBouncer, or correct the url',
}
const STATEMENT_POOLING: Verdict = {
  code: 'SLUICE_CONFIG_INVALID',
  why: 'PgBouncer pools single statements, but some calls are transactions',
  next: 'Set pool_mode = transaction or pool_mode = session for the database in PgBouncer',
}
const CUT_OFF: Verdict = {
  code: 'SLUICE_QUEUE_UNAVAILABLE',
  why: 'PgBouncer ended it because of one of its own limits',
  next: 'Try again. Set query_timeout, transaction_timeout and idle_transaction_timeout of PgBouncer to 0, or above `timeoutMs`',
  retryable: true,
}

const BY_MESSAGE: readonly (readonly [RegExp, Verdict])[] = [
  [/^unsupported startup parameter/, REFUSED_SETTINGS],
  [/^query_wait_timeout/, ALL_BUSY],
  [/^no more connections allowed|^client connections exceeded/, TOO_MANY_CLIENTS],
  [/^server login failed: .*(?:password|authentication|role|user)/is, LOGIN_REFUSED],
  [
    /^server login (?:failed|has been failing)|\(server_login_retry\)|^pgbouncer cannot connect to server/,
    LOGIN_FAILING,
  ],
  [/^no such database: |^database ".*" is disabled/, NO_DATABASE],
  [/^no such user|^auth failed|^login rejected|^not allowed \(auth_hba\)/, CLIENT_REFUSED],
  [/not allowed in statement pooling mode/, STATEMENT_POOLING],
  [/^(?:query|transaction|idle transaction) ?_?timeout$/, CUT_OFF],
]

/** SQLSTATE of a statement name that the server connection lacks, or has from another client. */
const STATEMENT_CODES = new Set(['26000', '42P05'])

/** `undefined`: not an error of a pooler. */
export function poolerVerdict(error: unknown): Verdict | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  if (typeof error.code === 'string' && STATEMENT_CODES.has(error.code)) return NO_STATEMENTS
  // The server's own error has another SQLSTATE.
  if (error.code === '08P01' && /authentication failed/.test(error.message)) return CLIENT_REFUSED
  return BY_MESSAGE.find(([pattern]) => pattern.test(error.message))?.[1]
}
