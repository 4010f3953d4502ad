import { gzipSync } from 'node:zlib'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isSluiceError } from '@sluice/core'
import { isRefused, type ManifestEntry } from '../../src/manifest/manifest-entry.js'
import { nameOf } from '../../src/manifest/manifest-format.js'
import { openSource } from '../../src/manifest/text/manifest-source.js'
import { readText, seen, type ReadTextOptions } from './read-text.js'

async function collect<T>(from: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const one of from) all.push(one)
  return all
}

async function read(text: string | Buffer, options: ReadTextOptions = {}): Promise<ManifestEntry[]> {
  return (await readText(text, { format: 'jsonl', ...options })).entries
}

async function csv(text: string | Buffer, options: Parameters<typeof read>[1] = {}): Promise<unknown[]> {
  return seen(await read(text, { format: 'csv', ...options }))
}

async function bytesOf(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  return Buffer.concat(await collect(chunks))
}

function stdin(): Readable {
  return Readable.from([Buffer.from('a'), Buffer.from('b\n')])
}

describe('JSON lines', () => {
  test('items with all their fields, CRLF, blank lines and a byte order mark', async () => {
    const text =
      '\ufeff{"id":"a","body":1}\r\n\r\n  \n{"id":"b","body":{"x":[null]},"priority":-3,"delayMs":5}\n\n'
    expect(seen(await read(text))).toEqual([
      [1, { id: 'a', body: 1 }],
      [4, { id: 'b', body: { x: [null] }, priority: -3, delayMs: 5 }],
    ])
  })

  test('each bad line is named with its field, the good ones around it are kept', async () => {
    const lines = [
      '{"id":"a","body":1}',
      '{"id":"","body":1}',
      '{"id":true,"body":1}',
      '{"body":1}',
      '{"id":"x"}',
      '{"id":"x","body":1,"url":2}',
      '{"id":"x","body":1,"priority":1.5}',
      '{"id":"x","body":1,"priority":"high"}',
      '{"id":"x","body":1,"delayMs":1,"notBeforeAt":1}',
      '{"id":"x","body":1e999}',
      '[1]',
      '{"secret": password}',
      '{"id":"z","body":2}',
    ]
    const entries = seen(await read(lines.join('\n')))
    expect(entries[0]).toEqual([1, { id: 'a', body: 1 }])
    expect(entries.at(-1)).toEqual([13, { id: 'z', body: 2 }])
    expect(entries.slice(1, -1)).toEqual([
      'line 2, field "id": id must not be empty',
      'line 3, field "id": must be a string or a number, not a boolean',
      'line 4, field "id": the field is missing; name the id field with --id-field, or use --id-from row to number the lines',
      'line 5, field "body": the field is missing, and the first line has it: the formats differ; use --id-field id if the whole object is the body',
      expect.stringMatching(/^line 6, field "url": unknown field beside id and body; allowed are id, body/u),
      expect.stringMatching(/^line 7, field "priority": priority must be an integer/u),
      'line 8, field "priority": must be a number, not a string',
      expect.stringMatching(/^line 9, field "notBeforeAt": give notBeforeAt or delayMs/u),
      expect.stringMatching(/^line 10, field "\$\.body": a 64-bit float cannot hold this number/u),
      'line 11: the line is an array; expected one JSON object',
      expect.stringMatching(/^line 12, field "\$\.secret": not JSON: /u),
    ])
    expect(JSON.stringify(entries)).not.toContain('password')
  })

  test('reports a truncated last line, and accepts one without a line end', async () => {
    const [, cut] = seen(await read('{"id":"a","body":1}\n{"id":"b","bo'))
    expect(cut).toMatch(/^line 2: not JSON: .*the file ends within this line, it may be truncated/u)
    expect(seen(await read('{"id":"a","body":1}'))).toEqual([[1, { id: 'a', body: 1 }]])
  })

  test('a JSON array over many lines gets a hint', async () => {
    expect(seen(await read('[\n{"id":"a","body":1}\n]\n', { format: 'jsonl' }))).toEqual([
      "line 1: the file is a JSON array, not one JSON object per line: use --path '$[*]' to read it unchanged, or convert it: jq -c '.[]' | sluice load -",
    ])
  })

  test('with idField the object is the body; whole numbers are ids too', async () => {
    const text =
      '{"sku":"a","n":1}\n{"sku":12}\n{"n":1}\n{"sku":1.50}\n{"sku":"b","rank":4}\n{"sku":"c","rank":"x"}\n'
    expect(seen(await read(text, { idField: 'sku', priorityField: 'rank' }))).toEqual([
      [1, { id: 'a', body: { sku: 'a', n: 1 } }],
      [2, { id: '12', body: { sku: 12 } }],
      'line 3, field "sku": the field is missing; every line needs an id',
      [4, { id: '1.50', body: { sku: 1.5 } }],
      [5, { id: 'b', body: { sku: 'b', rank: 4 }, priority: 4 }],
      'line 6, field "rank": must be a number, not a string',
    ])
  })

  test('invalid UTF-8 refuses only its line', async () => {
    const bytes = Buffer.concat([
      Buffer.from('{"id":"a","body":1}\n{"id":"'),
      Buffer.from([0xc3, 0x28]),
      Buffer.from('","body":1}\n{"id":"ü😀","body":"é"}\n'),
    ])
    for (const pieces of [1, 3, 4096]) {
      expect(seen(await read(bytes, { pieces }))).toEqual([
        [1, { id: 'a', body: 1 }],
        expect.stringMatching(/^line 2: the line is not valid UTF-8 .*iconv/u),
        [3, { id: 'ü😀', body: 'é' }],
      ])
    }
  })

  test('an endless line is refused, and the next one read', async () => {
    const text = `{"id":"a","body":"${'x'.repeat(5_000)}"}\n{"id":"b","body":1}\n${'y'.repeat(2_000)}`
    expect(seen(await read(text, { maxLineBytes: 1_000, pieces: 64 }))).toEqual([
      'line 1: the line is longer than 1000 bytes; use --path for one JSON document',
      [2, { id: 'b', body: 1 }],
      'line 3: the line is longer than 1000 bytes; store the data elsewhere and put its address into the item',
    ])
  })

  test('a body over the limit and an id over the limit', async () => {
    const text = `{"id":"a","body":"${'x'.repeat(200)}"}\n{"id":"${'i'.repeat(1025)}","body":1}\n{"id":"${'i'.repeat(1024)}","body":1}`
    const entries = await read(text, { maxBodyBytes: 100, pieces: 4096 })
    expect(seen(entries).slice(0, 2)).toEqual([
      expect.stringMatching(/^line 1, field "body": body is 202 bytes/u),
      expect.stringMatching(/^line 2, field "id": id is 1025 bytes/u),
    ])
    expect(isRefused(entries[2]!)).toBe(false)
  })

  test('an empty manifest', async () => {
    expect(await read('')).toEqual([])
    expect(await read('\ufeff')).toEqual([])
    expect(seen(await read('\n\n'))).toEqual(['line 1: the file has no rows, only blank lines'])
  })

  test('any items written as JSON lines come back equal', async () => {
    const item = fc.record({
      id: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter((id) => !id.includes('\0')),
      body: fc.jsonValue({ noUnicodeString: false }),
      priority: fc.integer({ min: -1_000, max: 1_000 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(item), fc.integer({ min: 1, max: 50 }), async (items, pieces) => {
        const text = items.map((one) => JSON.stringify(one)).join('\n')
        const entries = await read(text, { pieces })
        // As JSON text: -0 comes back as 0, which is JSON's doing.
        expect(JSON.stringify(entries.map((entry) => isRefused(entry) || entry.item))).toBe(
          JSON.stringify(items),
        )
      }),
      { numRuns: 60 },
    )
  })
})

describe('CSV', () => {
  test('quotes with line ends inside keep the line numbers right', async () => {
    const text =
      '\ufeffid,url,note\r\na,u1,"one\r\ntwo"\r\n\r\n"b,b",u2,"say ""hi"""\r\nc,u3\r\nd,u4,n,extra\r\ne,u5,n\r\n'
    for (const pieces of [1, 5, 4096]) {
      expect(await csv(text, { pieces })).toEqual([
        [2, { id: 'a', body: { url: 'u1', note: 'one\r\ntwo' } }],
        [5, { id: 'b,b', body: { url: 'u2', note: 'say "hi"' } }],
        'line 6, field "note": the column is missing: the row has 2 values, the header 3; an empty value needs its delimiter too',
        'line 7: the row has 4 values, the header 3; a value that contains the delimiter must be quoted or escaped',
        [8, { id: 'e', body: { url: 'u5', note: 'n' } }],
      ])
    }
  })

  test('the columns of id and priority by name; ids are taken as they are', async () => {
    const text = 'rank,path,sku\n5, p ,  a \n,q,b\n1.5,r,c\nhigh,s,d\n'
    expect(await csv(text, { idColumn: 'sku', priorityColumn: 'rank' })).toEqual([
      [2, { id: '  a ', body: { path: ' p ' }, priority: 5 }],
      [3, { id: 'b', body: { path: 'q' } }],
      'line 4, field "rank": the priority must be a whole number, or empty for 0',
      'line 5, field "rank": the priority must be a whole number, or empty for 0',
    ])
  })

  test('values are strings, or typed when asked; what would lose something stays a string', async () => {
    const text = 'id,a,b,c,d,e,f\nx,1,-2.5e3,true,null,007,12345678901234567890\n'
    expect(await csv(text)).toEqual([
      [
        2,
        { id: 'x', body: { a: '1', b: '-2.5e3', c: 'true', d: 'null', e: '007', f: '12345678901234567890' } },
      ],
    ])
    expect(await csv(text, { typed: true })).toEqual([
      [2, { id: 'x', body: { a: 1, b: '-2.5e3', c: true, d: null, e: '007', f: '12345678901234567890' } }],
    ])
  })

  test('a header without ids, or with a repeated column, ends the reading', async () => {
    expect(await csv('name,url\na,b\n')).toEqual([
      'line 1, field "id": the header has no such column; it has "name", "url"; name the id column with --id-column, or use --id-from row; for a file without a header name all columns with --columns; skip lines above the header with --skip-lines',
    ])
    expect(await csv('id,url,url\na,b,c\n')).toEqual([
      'line 1, field "url": the header has this column twice: name all columns with --columns, and skip the header with --skip-lines 1',
    ])
    expect(await csv('id,url\na,b\n', { priorityColumn: 'p' })).toEqual([
      'line 1, field "p": the header has no such column; it has "id", "url"',
    ])
  })

  test('a row with a quote out of place is refused at its own line, and reading continues with the next line', async () => {
    for (const [bad, why] of [
      ['b,"x"y', /text follows a closing quote/u],
      ['b,x"y', /an unquoted value contains a quote/u],
      ['b,"never closed', /is never closed/u],
    ] as const) {
      for (const pieces of [1, 4096]) {
        const [good, refused, ...rest] = await csv(`id,url\na,u\n${bad}\nc,v\nd,w\n`, { pieces })
        expect(good).toEqual([2, { id: 'a', body: { url: 'u' } }])
        expect(refused).toMatch(/^line 3: /u)
        expect(refused).toMatch(why)
        expect(rest).toEqual([
          [4, { id: 'c', body: { url: 'v' } }],
          [5, { id: 'd', body: { url: 'w' } }],
        ])
      }
    }
  })

  test('an endless row is refused instead of read', async () => {
    const [good, stop] = await csv(`id,url\na,u\nb,"${'x'.repeat(50_000)}`, {
      maxLineBytes: 1_000,
      pieces: 512,
    })
    expect(good).toEqual([2, { id: 'a', body: { url: 'u' } }])
    expect(stop).toMatch(/^line 3: the row is too long, or a quote in it is never closed/u)
  })

  test('invalid UTF-8 refuses only its row', async () => {
    const bytes = Buffer.concat([Buffer.from('id,url\na,'), Buffer.from([0xff]), Buffer.from('\nb,ü\n')])
    expect(await csv(bytes)).toEqual([
      expect.stringMatching(/^line 2, field "url": the value is not valid UTF-8 .*iconv/u),
      [3, { id: 'b', body: { url: 'ü' } }],
    ])
  })

  test('a column with the name of a prototype is a field like any other', async () => {
    const [entry] = await read('id,__proto__\na,x\n', { format: 'csv' })
    expect(JSON.stringify(isRefused(entry!) || entry?.item.body)).toBe('{"__proto__":"x"}')
  })

  test('a header alone, and an empty file', async () => {
    expect(await csv('id,url\n')).toEqual([
      'line 1: the file has a header and no rows; it may be truncated, or its source was empty',
    ])
    const lacks = ['line 1: the file is empty: a CSV begins with a header row']
    expect(await csv('')).toEqual(lacks)
    expect(await csv('\uFEFF\n\n')).toEqual(lacks)
  })

  test('another delimiter', async () => {
    expect(await csv('id\turl\na\tb,c\n', { delimiter: '\t' })).toEqual([
      [2, { id: 'a', body: { url: 'b,c' } }],
    ])
  })
})

test('plain lines: the id is the line, untrimmed, and the body holds it', async () => {
  expect(seen(await read('a\r\n\r\n  b c \r\n', { format: 'lines' }))).toEqual([
    [1, { id: 'a', body: { line: 'a' } }],
    [3, { id: '  b c ', body: { line: '  b c ' } }],
  ])
})

function formatOf(path: string): unknown {
  return nameOf(path, {}).format
}

test('the format comes from the name', () => {
  expect(formatOf('x/a.jsonl')).toBe('jsonl')
  expect(formatOf('a.NDJSON.gz')).toBe('jsonl')
  expect(formatOf('a.b/c.csv.gz')).toBe('csv')
  expect(formatOf('a.b/c.tsv')).toBe('tsv')
  // What is in them decides.
  for (const path of ['a.txt', '-', 'manifest', 'a.csv/manifest']) expect(formatOf(path)).toBeUndefined()
  expect(nameOf('a.txt', { format: 'csv' }).format).toBe('csv')
})

describe('sources', () => {
  let dir = ''
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sluice-source-'))
  })
  afterAll(() => rm(dir, { recursive: true }))

  test('a file, plain or gzipped, is read repeatedly, with its bytes counted', async () => {
    const text = Buffer.from('{"id":"a","body":1}\n'.repeat(1_000))
    for (const [name, bytes] of [
      ['plain', text],
      ['packed', gzipSync(text)],
    ] as const) {
      await writeFile(join(dir, name), bytes)
      const source = await openSource(join(dir, name))
      expect(await bytesOf(source.read())).toEqual(text)
      expect(await bytesOf(source.read())).toEqual(text)
      expect([source.readBytes, source.totalBytes]).toEqual([bytes.length, bytes.length])
    }
  })

  test('standard input is read once, or from a copy that is deleted afterwards', async () => {
    const once = await openSource('-', { stdin: stdin() })
    expect((await bytesOf(once.read())).toString()).toBe('ab\n')
    expect(once.repeatable).toBe(false)
    const twice = await openSource('-', { stdin: stdin(), repeatable: true })
    expect((await bytesOf(twice.read())).toString()).toBe('ab\n')
    expect((await bytesOf(twice.read())).toString()).toBe('ab\n')
    await twice.close()
    await expect(bytesOf(twice.read())).rejects.toThrow(/no such file/u)
  })

  test('an empty file, one byte, and a truncated gzip file', async () => {
    await writeFile(join(dir, 'empty'), '')
    await writeFile(join(dir, 'one'), 'x')
    await writeFile(
      join(dir, 'cut'),
      gzipSync(Buffer.from('{"id":"a","body":1}\n'.repeat(100))).subarray(0, 30),
    )
    expect(await bytesOf((await openSource(join(dir, 'empty'))).read())).toHaveLength(0)
    expect((await bytesOf((await openSource(join(dir, 'one'))).read())).toString()).toBe('x')
    await expect(bytesOf((await openSource(join(dir, 'cut'))).read())).rejects.toThrow(/truncated/u)
  })

  test('a missing file or a directory is a usage error', async () => {
    for (const path of [join(dir, 'nothing'), dir]) {
      const error = await openSource(path).catch((error: unknown) => error)
      expect(isSluiceError(error, 'SLUICE_INPUT_INVALID')).toBe(true)
      expect(String(error)).toContain(path)
    }
  })

  test('a signal ends the reading of a silent pipe', async () => {
    const stop = new AbortController()
    const source = await openSource('-', { stdin: new Readable({ read() {} }), signal: stop.signal })
    const reading = bytesOf(source.read())
    stop.abort()
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' })
  })
})
