import type { Verdict } from '../sql-errors.js'

/*
 * What PgBouncer says by itself. Nearly all of it comes as SQLSTATE 08P01 and FATAL, so that only the words tell one from another; they are the same from 1.18
 * to 1.25, which the tests have seen, and in English everywhere.
 */

const SESSION_SETTINGS = 'options, statement_timeout, lock_timeout, idle_in_transaction_session_timeout'

const REFUSED_SETTINGS: Verdict = {
  code: 'SLUICE_CONFIG_INVALID',
  why: 'PgBouncer is in between and refuses settings of a session',
  next:
    'Set `preparedStatements: false`, or give the address of the server itself. Or, from PgBouncer 1.21 on with max_prepared_statements above 0, let it ignore them: ' +
    `ignore_startup_parameters = ${SESSION_SETTINGS}`,
}
const NO_STATEMENTS: Verdict = {
  code: 'SLUICE_CONFIG_INVALID',
  why: 'a pooler such as PgBouncer gives each transaction another connection, which does not have the prepared statements of this one',
  next:
    'Set `preparedStatements: false`, or max_prepared_statements of PgBouncer above 0: that is the default from 1.24 on, 1.21 to 1.23 have it switched off, older ones do not have it. ' +
    'Or give the address of the server itself',
}
const ALL_BUSY: Verdict = {
  code: 'SLUICE_QUEUE_UNAVAILABLE',
  why: 'all server connections of PgBouncer were in use for longer than its query_wait_timeout',
  next: 'Nothing was done, and it can be tried again. Raise default_pool_size of PgBouncer to the sum of all `poolSize`, or lower those',
  retryable: true,
}
const TOO_MANY_CLIENTS: Verdict = {
  code: 'SLUICE_QUEUE_UNAVAILABLE',
  why: 'PgBouncer has as many clients as it may have',
  next: 'Nothing was done, and it can be tried again. Raise max_client_conn of PgBouncer (or max_user_connections, max_db_client_connections), or lower `poolSize`',
  retryable: true,
}
const LOGIN_REFUSED: Verdict = {
  code: 'SLUICE_QUEUE_DENIED',
  why: 'PgBouncer can not log in to the server',
  next: 'Correct the user or the password that PgBouncer has for it: auth_file, auth_query, or user= and password= of the database in its section [databases]',
}
const LOGIN_FAILING: Verdict = {
  code: 'SLUICE_QUEUE_UNAVAILABLE',
  why: 'PgBouncer could not connect to the server a moment ago',
  next: 'It tries again after its server_login_retry (15 s by default); its log says why. Check that the server is up, and the user and the password that PgBouncer has for it',
  retryable: true,
}
const CLIENT_REFUSED: Verdict = {
  code: 'SLUICE_QUEUE_DENIED',
  why: 'PgBouncer, or the server behind it, refuses this user',
  next:
    'Check the user and the password of the url against auth_file, auth_query and auth_hba_file of PgBouncer, and those that it has for the server: ' +
    'user= and password= of the database in its section [databases]',
}
const NO_DATABASE: Verdict = {
  code: 'SLUICE_CONFIG_INVALID',
  why: 'PgBouncer has no such database',
  next: 'Add it to the section [databases] of PgBouncer, or correct the url',
}
const STATEMENT_POOLING: Verdict = {
  code: 'SLUICE_CONFIG_INVALID',
  why: 'PgBouncer pools single statements, and some calls are transactions',
  next: 'Set pool_mode = transaction or pool_mode = session for the database in PgBouncer',
}
const CUT_OFF: Verdict = {
  code: 'SLUICE_QUEUE_UNAVAILABLE',
  why: 'PgBouncer ended it by one of its own limits',
  next: 'It can be tried again. Set query_timeout, transaction_timeout and idle_transaction_timeout of PgBouncer to 0, or above `timeoutMs`',
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

/** SQLSTATE of a statement name that this server connection does not have, or has of another client. */
const STATEMENT_CODES = new Set(['26000', '42P05'])

/** `undefined`: it is not a pooler's. */
export function poolerVerdict(error: unknown): Verdict | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  if (typeof error.code === 'string' && STATEMENT_CODES.has(error.code)) return NO_STATEMENTS
  // The server itself says so with a code of its own, which is told from the rest by that.
  if (error.code === '08P01' && /authentication failed/.test(error.message)) return CLIENT_REFUSED
  return BY_MESSAGE.find(([pattern]) => pattern.test(error.message))?.[1]
}
