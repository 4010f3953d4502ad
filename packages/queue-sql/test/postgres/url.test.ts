import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { wrongPostgresUrl } from '../../src/postgres/connection/url.js'

interface Parsed {
  readonly user?: string
  readonly password?: string
  readonly host?: string | null
  readonly port?: string | null
  readonly database?: string | null
}

/** What the driver makes of a URL. */
const load = createRequire(createRequire(import.meta.url).resolve('pg'))
const { parse }: { readonly parse: (url: string) => Parsed } = load('pg-connection-string')

describe('a PostgreSQL URL', () => {
  test.each([
    'postgres://host/db',
    'postgresql://host:5432',
    'postgres://user@host/db',
    'postgres://user:pass@host:6432/db',
    'postgres://user:pass@host/db\n',
    'postgres://user:p%40ss%2F%23%25%3F%3A%20@host/db',
    'postgres://user:a:b+c;d=e,f!g*h(i)j&k$l~m^n@host/db',
    'postgres://user:pass@host/my%40db',
    'postgres:///db?host=/var/run/postgresql',
    'postgres://user:pass@%2Fvar%2Frun%2Fpostgresql/db',
    'postgres://user:pass@[::1]:5432/db',
    'postgres://user:pass@127.0.0.1/db?sslmode=verify-full&sslrootcert=/etc/me@here.pem',
    'postgres://host/db?user=me@server&password=x%40y',
    'postgres://host/db?options=-c%20search_path%3Da@b',
    'postgres://user:pass@my_host-1.example.org./db',
    'postgres://user:pass@münchen.example/db',
  ])('is accepted: %s', (url) => {
    expect(wrongPostgresUrl(url)).toBeUndefined()
  })

  test.each([
    'postgres://user:hun@ter2@host/db',
    'postgres://user:hun/ter2@host/db',
    'postgres://user:hun#ter2@host/db',
    'postgres://user:hun?ter2@host/db',
    'postgres://user:12/ter2@host/db',
    'postgres://user:12#ter2@host/db',
    'postgres://user:12?ter2@host/db',
    'postgres://user:12?x=ter2@host/db',
    'postgres://user:12?x=1&ter2@host/db',
    'postgres://user:hun@12/ter2@host/db',
    'postgres://user:hun@ter2?x@host/db',
    'postgres://user:hun%ter2@host/db',
    'postgres://user:hun%e9ter2@host/db',
    'postgres://user:hun ter2@host/db',
    'postgres://user:hun\nter2@host/db',
    'postgres://user:hun\tter2@host/db',
    'postgres://user:pass@host:hunter2/db',
    'postgres://user:pass@hunter2!x/db',
    'postgres://user:pass@host,hunter2/db',
    'postgres://user:pass@host/db#hunter2',
    'postgres://user:pass@host:99999/db',
  ])('is refused with one message that shows nothing of it: %j', (url) => {
    const text = wrongPostgresUrl(url)
    expect(text).toBe(wrongPostgresUrl('postgres://user:a@b@host/db'))
    expect(text).toContain('@ as %40, : as %3A, / as %2F, # as %23, ? as %3F, % as %25, a space as %20')
  })

  test('with any percent-encoded user, password and database is accepted and decoded', () => {
    // The driver reads an empty one as none.
    const part = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 20 })
      .filter((each) => each.isWellFormed() && !/[\0]/u.test(each))
    const path = part.filter((each) => each !== '.' && each !== '..')
    fc.assert(
      fc.property(part, part, path, (user, password, database) => {
        const url = `postgres://${encodeURIComponent(user)}:${encodeURIComponent(password)}@host:5432/${encodeURIComponent(database)}`
        expect(wrongPostgresUrl(url)).toBeUndefined()
        expect(parse(url)).toMatchObject({ user, password, host: 'host', port: '5432', database })
      }),
      { numRuns: 500 },
    )
  })

  test('with any raw password is refused, or connects to the intended host with that password', () => {
    const awkward = fc.constantFrom(
      '@',
      '/',
      '#',
      '%',
      '?',
      ':',
      ' ',
      '\n',
      '\\',
      '[',
      ']',
      '&',
      '=',
      '4',
      '2',
      'a',
      '.',
      '%4',
      '%40',
      '+',
    )
    const password = fc
      .array(fc.oneof(awkward, fc.string({ maxLength: 2 })), { minLength: 1, maxLength: 10 })
      .map((each) => each.join(''))
    let taken = 0
    fc.assert(
      fc.property(password, (given) => {
        const url = `postgres://user:${given}@host:5432/db`
        if (wrongPostgresUrl(url) !== undefined) return
        taken++
        const read = parse(url)
        expect(read).toMatchObject({ user: 'user', host: 'host', port: '5432', database: 'db' })
        expect([given, decodeURIComponent(given)]).toContain(read.password)
      }),
      { numRuns: 4_000 },
    )
    expect(taken).toBeGreaterThan(50)
  })
})
