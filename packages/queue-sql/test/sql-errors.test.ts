import { SluiceError } from '@sluice/core'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { isOutcomeUnknown, isPostgresContention, isSqliteBusy, sqlError } from '../src/sql-errors.js'
import { StatementOverdueError } from '../src/postgres/connection/statement-watch.js'

const attempt = { what: 'claim items (queue "tiles")', place: 'PostgreSQL at db.example:5432, database work' }

/** As pg makes them of what a server says; the fields are recorded from PostgreSQL 18. */
function said(severity: string, code: string, message: string): Error {
  return Object.assign(new pg.DatabaseError(message, message.length, 'error'), { severity, code })
}

/** As `node:sqlite` makes them; `errcode` is SQLite's extended code. */
function sqlite(errcode: number, message: string): Error {
  return Object.assign(new Error(message), { code: 'ERR_SQLITE_ERROR', errcode, errstr: message })
}

/** As Node makes them of a system call. */
function system(code: string, syscall: string, message: string): Error {
  return Object.assign(new Error(message), { code, errno: -1, syscall })
}

const recorded: [string, Error, string, boolean][] = [
  [
    'connection refused',
    system('ECONNREFUSED', 'connect', 'connect ECONNREFUSED 127.0.0.1:5433'),
    'UNAVAILABLE',
    true,
  ],
  [
    'refused at both addresses of a name',
    Object.assign(
      new AggregateError([
        system('ECONNREFUSED', 'connect', 'connect ECONNREFUSED ::1:5433'),
        system('ECONNREFUSED', 'connect', 'connect ECONNREFUSED 127.0.0.1:5433'),
      ]),
      { code: 'ECONNREFUSED' },
    ),
    'UNAVAILABLE',
    true,
  ],
  [
    'unknown host',
    system('ENOTFOUND', 'getaddrinfo', 'getaddrinfo ENOTFOUND db.example'),
    'UNAVAILABLE',
    true,
  ],
  ['reset', system('ECONNRESET', 'read', 'read ECONNRESET'), 'UNAVAILABLE', true],
  ['broken pipe', system('EPIPE', 'write', 'write EPIPE'), 'UNAVAILABLE', true],
  ['pool timeout', new Error('timeout exceeded when trying to connect'), 'UNAVAILABLE', true],
  ['connect timeout', new Error('Connection terminated due to connection timeout'), 'UNAVAILABLE', true],
  ['read timeout', new StatementOverdueError('no answer within 500 ms'), 'UNAVAILABLE', true],
  ['connect timeout of the client', new Error('timeout expired'), 'UNAVAILABLE', true],
  ['terminated', new Error('Connection terminated unexpectedly'), 'UNAVAILABLE', true],
  [
    'broken before the query',
    new Error('Client has encountered a connection error and is not queryable'),
    'UNAVAILABLE',
    true,
  ],
  [
    'shut down',
    said('FATAL', '57P01', 'terminating connection due to administrator command'),
    'UNAVAILABLE',
    true,
  ],
  ['starting up', said('FATAL', '57P03', 'the database system is starting up'), 'UNAVAILABLE', true],
  ['too many clients', said('FATAL', '53300', 'sorry, too many clients already'), 'UNAVAILABLE', true],
  [
    'disk full',
    said('ERROR', '53100', 'could not extend file "base/5/16401": No space left on device'),
    'UNAVAILABLE',
    true,
  ],
  [
    'statement timeout',
    said('ERROR', '57014', 'canceling statement due to statement timeout'),
    'UNAVAILABLE',
    true,
  ],
  ['lock timeout', said('ERROR', '55P03', 'canceling statement due to lock timeout'), 'UNAVAILABLE', true],
  ['deadlock', said('ERROR', '40P01', 'deadlock detected'), 'UNAVAILABLE', true],
  [
    'a standby',
    said('ERROR', '25006', 'cannot execute INSERT in a read-only transaction'),
    'UNAVAILABLE',
    true,
  ],
  [
    'wrong password',
    said('FATAL', '28P01', 'password authentication failed for user "sluice"'),
    'DENIED',
    false,
  ],
  ['no entry in pg_hba', said('FATAL', '28000', 'no pg_hba.conf entry for host "10.0.0.7"'), 'DENIED', false],
  ['no permission', said('ERROR', '42501', 'permission denied for table sluice_items'), 'DENIED', false],
  ['no such table', said('ERROR', '42P01', 'relation "sluice_items" does not exist'), 'CORRUPT', false],
  ['no such column', said('ERROR', '42703', 'column "version" does not exist'), 'CORRUPT', false],
  [
    'damaged page',
    said('ERROR', 'XX001', 'invalid page in block 0 of relation base/5/16401'),
    'CORRUPT',
    false,
  ],
  ['something new', said('ERROR', 'P0001', 'a foreign trigger said no'), 'UNAVAILABLE', false],
  ['SQLite busy', sqlite(5, 'database is locked'), 'UNAVAILABLE', true],
  ['SQLite busy, a snapshot', sqlite(517, 'database is locked'), 'UNAVAILABLE', true],
  ['SQLite disk full', sqlite(13, 'database or disk is full'), 'UNAVAILABLE', true],
  ['SQLite I/O error', sqlite(266, 'disk I/O error'), 'UNAVAILABLE', true],
  ['SQLite write error', sqlite(778, 'disk I/O error'), 'UNAVAILABLE', true],
  ['SQLite has no space for its shared memory', sqlite(4874, 'disk I/O error'), 'UNAVAILABLE', true],
  [
    'no space for the directory',
    system('ENOSPC', 'mkdir', "ENOSPC: no space left on device, mkdir '/srv'"),
    'UNAVAILABLE',
    true,
  ],
  ['SQLite read only', sqlite(8, 'attempt to write a readonly database'), 'DENIED', false],
  ['SQLite can not open', sqlite(14, 'unable to open database file'), 'DENIED', false],
  ['SQLite damaged', sqlite(11, 'database disk image is malformed'), 'CORRUPT', false],
  ['no SQLite file', sqlite(26, 'file is not a database'), 'CORRUPT', false],
  ['no such SQLite table', sqlite(1, 'no such table: sluice_items'), 'CORRUPT', false],
  [
    'no permission on the directory',
    system('EACCES', 'mkdir', "EACCES: permission denied, mkdir '/srv'"),
    'DENIED',
    false,
  ],
]

describe('errors of a database become SluiceErrors', () => {
  test.each(recorded)('%s', (_, error, code, retryable) => {
    const ours = sqlError(error, attempt)
    expect(ours).toBeInstanceOf(SluiceError)
    expect(ours).toMatchObject({ code: `SLUICE_QUEUE_${code}`, retryable, cause: error })
    expect(ours.message).toContain('Could not claim items (queue "tiles") in PostgreSQL at db.example:5432')
    // What to do next.
    expect(ours.message).toMatch(/: .+\. [A-Z].{20,}$/s)
  })

  test.each([
    sqlite(13, 'database or disk is full'),
    sqlite(4874, 'disk I/O error'),
    said('ERROR', '53100', 'could not extend file "base/5/16401": No space left on device'),
    system('ENOSPC', 'open', "ENOSPC: no space left on device, open '/srv/queue.db'"),
  ])('a full disk is reported as such: %s', (error) => {
    expect(sqlError(error, attempt).message).toMatch(/: the disk is full \(.+\)\. .*free space/)
  })

  test.each([
    ['a missing database', said('FATAL', '3D000', 'database "work" does not exist'), /url/],
    [
      'a pooler that keeps no settings',
      said('FATAL', '08P01', 'unsupported startup parameter: statement_timeout'),
      /preparedStatements: false/,
    ],
    [
      'a pooler that keeps no statements',
      said('ERROR', '26000', 'prepared statement "sluice_0a" does not exist'),
      /preparedStatements: false/,
    ],
    [
      'a pooler that shares statements',
      said('ERROR', '42P05', 'prepared statement "sluice_0a" already exists'),
      /preparedStatements: false/,
    ],
    [
      'an unknown certificate',
      Object.assign(new Error('self-signed certificate'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }),
      /sslrootcert=FILE/,
    ],
    [
      'a certificate of another name',
      Object.assign(new Error("Hostname/IP does not match certificate's altnames"), {
        code: 'ERR_TLS_CERT_ALTNAME_INVALID',
      }),
      /sslmode=verify-full/,
    ],
  ])('%s is SLUICE_CONFIG_INVALID and names the setting', (_, error, next) => {
    const ours = sqlError(error, attempt)
    expect(ours).toMatchObject({ code: 'SLUICE_CONFIG_INVALID', retryable: false, cause: error })
    expect(ours.message).toMatch(next)
  })

  test.each([
    ['08P01', 'query_wait_timeout', 'UNAVAILABLE', true, /default_pool_size/],
    ['08P01', 'no more connections allowed (max_client_conn)', 'UNAVAILABLE', true, /max_client_conn/],
    [
      '08P01',
      'server login failed: FATAL password authentication failed for user "app"',
      'DENIED',
      false,
      /auth_file/,
    ],
    ['08P01', 'password authentication failed for user "app"', 'DENIED', false, /auth_file.*\[databases\]/],
    ['08P01', '"trust" authentication failed', 'DENIED', false, /auth_file/],
    ['08P01', 'no such user: app', 'DENIED', false, /auth_file/],
    [
      '08P01',
      'server login has been failing, try again later (server_login_retry)',
      'UNAVAILABLE',
      true,
      /server_login_retry/,
    ],
    ['08P01', 'pgbouncer cannot connect to server', 'UNAVAILABLE', true, /server_login_retry/],
    ['08P01', 'query_timeout', 'UNAVAILABLE', true, /above `timeoutMs`/],
    ['08P01', 'idle transaction timeout', 'UNAVAILABLE', true, /above `timeoutMs`/],
  ])('an error of PgBouncer names its setting: %s %s', (sqlState, message, code, retryable, next) => {
    const ours = sqlError(said('FATAL', sqlState, message), attempt)
    expect(ours).toMatchObject({ code: `SLUICE_QUEUE_${code}`, retryable })
    expect(ours.message).toMatch(next)
  })

  test("a SluiceError and a caller's TypeError stay as they are", () => {
    const mistake = new TypeError('cursor must be one that an earlier page gave')
    const ours = new SluiceError('SLUICE_QUEUE_CORRUPT', 'newer')
    expect(sqlError(mistake, attempt)).toBe(mistake)
    expect(sqlError(ours, attempt)).toBe(ours)
  })

  test('a thrown value that is not an error is reported', () => {
    expect(sqlError('odd', attempt)).toMatchObject({ code: 'SLUICE_QUEUE_UNAVAILABLE', retryable: false })
  })
})

test('contention is only what another transaction caused', () => {
  expect(isPostgresContention(said('ERROR', '40P01', 'deadlock detected'))).toBe(true)
  expect(isPostgresContention(said('ERROR', '40001', 'could not serialize access'))).toBe(true)
  expect(isPostgresContention(said('ERROR', '57014', 'canceling statement'))).toBe(false)
  expect(isSqliteBusy(sqlite(5, 'database is locked'))).toBe(true)
  expect(isSqliteBusy(sqlite(261, 'database is locked'))).toBe(true)
  expect(isSqliteBusy(sqlite(13, 'full'))).toBe(false)
})

test.each([
  ['an answer that is lost', new StatementOverdueError('no answer within 500 ms'), true],
  ['a connection that breaks', system('ECONNRESET', 'read', 'read ECONNRESET'), true],
  ['a server that refuses', said('ERROR', '23514', 'violates check constraint'), false],
  ['a disk that fails', sqlite(1034, 'disk I/O error'), true],
  ['a disk that is full', sqlite(13, 'database or disk is full'), false],
  ['no connection at all', system('ECONNREFUSED', 'connect', 'connect ECONNREFUSED 127.0.0.1:5433'), false],
  ['no connection in time', new Error('timeout exceeded when trying to connect'), false],
  ['a server that never greets', new Error('Connection terminated due to connection timeout'), false],
])('after %s', (_, cause, isUnknown) => {
  expect(isOutcomeUnknown(sqlError(cause, attempt))).toBe(isUnknown)
})
