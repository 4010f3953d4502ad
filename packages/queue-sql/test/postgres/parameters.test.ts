import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  jsonLines,
  optionalTextArray,
  plainArray,
  textArray,
  uuidArray,
} from '../../src/postgres/parameters.js'
import { startPostgres, type PostgresServer } from '../postgres-server.js'

const ODD = ['a', '', 'NULL', '"', '\\', '{a,b}', "'", ' b ', 'line\nfeed', 'tab\t', '✓ 🐘', '\\"\\', '","']
const UID = '0b8a4ad9-66a1-4c2f-a0a0-3a2f3d8a9b10'
const NOBODYS = '00000000-0000-0000-0000-000000000000'

describe('the columns of a batch, as PostgreSQL reads them', () => {
  let server: PostgresServer
  let client: pg.Client

  beforeAll(async () => {
    server = await startPostgres()
    client = new pg.Client({ connectionString: server.url })
    await client.connect()
  })

  afterAll(async () => {
    await client.end()
    await server.stop()
  })

  async function read(type: string, column: string | null): Promise<unknown> {
    const { rows } = await client.query<{ value: unknown }>(`select $1::${type}[] as value`, [column])
    return rows[0]?.value
  }

  test.each([
    ['odd texts', ODD],
    ['a text with the separator', [...ODD, 'a\u0001b', '\u0001']],
    ['one', ['x']],
    ['none', []],
  ])('%s round-trip', async (_, values) => {
    expect(await read('text', textArray(values))).toEqual(values)
    expect(await read('text', optionalTextArray([...values, null, 'last']))).toEqual([
      ...values,
      null,
      'last',
    ])
  })

  test('numbers, and nulls among them', async () => {
    expect(await read('integer', plainArray([1, null, -3]))).toEqual([1, null, -3])
  })

  test('a uid in another form than Sluice writes matches no item', async () => {
    const others = ['', 'x', UID.toUpperCase(), `{${UID}}`, `${UID}\n`, UID.replaceAll('-', '')]
    const expected = [UID, null, ...others.map(() => NOBODYS)]
    expect(await read('uuid', uuidArray([UID, null, ...others]))).toEqual(expected)
  })

  test('a column without values is null', () => {
    expect([
      optionalTextArray([null, null]),
      plainArray([null]),
      uuidArray([null]),
      jsonLines([null]),
    ]).toEqual([null, null, null, null])
  })

  test('JSON texts are lines, and null is an empty line', async () => {
    const values = ['{"a":"b\\nc"}', null, '""', '0']
    const text = `select string_to_array($1::text, E'\\n', '') as value`
    const { rows } = await client.query<{ value: unknown }>(text, [jsonLines(values)])
    expect(rows[0]?.value).toEqual(values)
  })
})
