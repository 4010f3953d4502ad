import { once } from 'node:events'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { openQueue } from '@sluice/queue-sql'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Sandbox } from '../../fixtures/sandbox.js'

const HAS_JQ = spawnSync('jq', ['--version'], { stdio: 'ignore' }).status === 0

/** The commands that docs/manifests.md gives. */
function jqLines(): string {
  const docs = readFileSync(new URL('../../../../../docs/manifests.md', import.meta.url), 'utf8')
  return /```sh\n(.*?)```/su.exec(docs.split('<!-- rejects -->')[1] ?? '')?.[1] ?? 'false'
}

interface JqList {
  readonly name: string
  readonly content: string | Buffer
  readonly flags?: readonly string[]
  /** What follows `sluice load` for the rows taken out. */
  readonly again: readonly [name: string, ...flags: string[]]
  /** Default: an id in front of each row that begins with a delimiter. */
  readonly repaired?: (text: string) => string
  readonly items: readonly (readonly [id: string, body: unknown])[]
}

const TABLE_AGAIN = ['again.csv', '--columns', 'id,t', '--line-ends', 'any'] as const
const LINES = 'id,t\r\na,1\r\n,"x\r\ny"\r\n,2\r\n'
const LINES_ITEMS = [
  ['m', { t: 'x\r\ny' }],
  ['n', { t: '2' }],
] as const
/** Two rows without an id get one each. */
const withIds = (text: string) => text.replace(/^(?=[,;\t])/mu, 'm').replace(/^(?=[,;\t])/mu, 'n')

const JQ_LISTS: readonly (readonly [string, JqList])[] = [
  [
    'a table with CRLF',
    { name: 'm.csv', content: LINES, again: TABLE_AGAIN, repaired: withIds, items: LINES_ITEMS },
  ],
  [
    'one that is compressed',
    { name: 'm.csv.gz', content: gzipSync(LINES), again: TABLE_AGAIN, repaired: withIds, items: LINES_ITEMS },
  ],
  [
    'one below a title',
    {
      name: 'm.csv',
      content: `Title, of it\r\n${LINES}`,
      flags: ['--skip-lines', '1'],
      again: TABLE_AGAIN,
      repaired: withIds,
      items: LINES_ITEMS,
    },
  ],
  [
    'one whose header goes over lines',
    { name: 'm.csv', content: 'id,"t\nu"\na,1\n,2\n', again: TABLE_AGAIN, items: [['m', { t: '2' }]] },
  ],
  [
    'one with sep=',
    {
      name: 'm.csv',
      content: 'sep=;\r\nid;t\r\na;1\r\n;2\r\n',
      again: [...TABLE_AGAIN, '--delimiter', ';'],
      items: [['m', { t: '2' }]],
    },
  ],
  [
    'one in UTF-16',
    {
      name: 'm.tsv',
      content: Buffer.from('\uFEFFid\tt\r\na\t1\r\n\té\r\n', 'utf16le'),
      again: [...TABLE_AGAIN, '--format', 'tsv'],
      items: [['m', { t: 'é' }]],
    },
  ],
  [
    'one with a row that is not UTF-8, and a line that is too long',
    {
      name: 'm.csv',
      content: Buffer.concat([
        Buffer.from('id,t\n,1\nb,'),
        Buffer.from([0xe9]),
        Buffer.from(`\nc,${'x'.repeat(17 * 1024 * 1024)}\n`),
      ]),
      again: TABLE_AGAIN,
      items: [['m', { t: '1' }]],
    },
  ],
  [
    'rows that are not UTF-8',
    {
      name: 'm.csv',
      content: Buffer.concat([Buffer.from('id,t\n,1\nb,'), Buffer.from([0xff]), Buffer.from('\n')]),
      again: ['again.bytes', '--format', 'csv', '--columns', 'id,t'],
      repaired: (text) => text.replace('\uFFFD', 'ÿ'),
      items: [['b', { t: 'ÿ' }]],
    },
  ],
  [
    'elements',
    {
      name: 'm.json',
      content: '{"a":[{"id":"x"},{"id":"",\n"n":1},{"id":""}]}',
      flags: ['--path', '$.a[*]'],
      again: ['again.csv', '--format', 'jsonl', '--path', '$'],
      repaired: (text) => text.replace('""', '"m"').replace('""', '"n"'),
      items: [
        ['m', { id: 'm', n: 1 }],
        ['n', { id: 'n' }],
      ],
    },
  ],
  [
    'names that end with NUL',
    {
      name: 'm.txt',
      content: Buffer.from(`a\0${'b\nc'.repeat(2_000)}\0d`),
      flags: ['-0'],
      again: ['again.list', '-0'],
      repaired: (text) => text.replaceAll('b\nc', '').replace(/^/u, 'm'),
      // The last one has no NUL behind it: it may be cut off.
      items: [
        ['m', { line: 'm' }],
        ['d', { line: 'd' }],
      ],
    },
  ],
]

let box: Sandbox

beforeEach(async () => {
  box = await Sandbox.open()
  const url = `sqlite:${join(box.dir, 'queue.db')}`
  await file('sluice.config.json', JSON.stringify({ queue: { package: 'sql', name: 'tiles', url } }))
})
afterEach(() => box.close())

async function file(name: string, content: string | Buffer): Promise<string> {
  await writeFile(join(box.dir, name), content)
  return name
}

interface Reject {
  readonly source: string
  readonly line: number
  readonly id?: string
  readonly what: string
  readonly reason: string
  readonly raw?: string
  readonly rawBase64?: string
}

const parsed = (text: string): Reject[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

const rejects = async (): Promise<Reject[]> => parsed(await readFile(join(box.dir, 'bad.jsonl'), 'utf8'))

const told = ({ source, line, what, raw, rawBase64 }: Reject) => [source, line, what, raw ?? rawBase64]

describe('a row that is not loaded is in the file of rejects as it was read', () => {
  test.each([
    [
      'JSON lines',
      ['m.jsonl'],
      Buffer.from('{"id":"a","body":1}\n{"id":"","body":  [1] }\nno\n{"id":"b","body":2}\r\n{"id":"c","bo'),
      [
        [2, '{"id":"","body":  [1] }'],
        [3, 'no'],
        // Of a list whose lines end with LF the other line end belongs to the line.
        [5, '{"id":"c","bo'],
      ],
    ],
    [
      'a table: rows over several lines, and one whose quote never closes',
      ['m.csv'],
      Buffer.from('id,text\na,1\n"b","x\r\ny",3\nc\n"d,"",5\ne,6\n,"z"\n'),
      [
        [3, '"b","x\r\ny",3'],
        [5, 'c'],
        [6, '"d,"",5'],
        [8, ',"z"'],
      ],
    ],
    [
      'a table with CR line ends',
      ['m.csv', '--delimiter', ','],
      Buffer.from('id,text\ra,1\r"b","x\ry",3\rc,2\r'),
      [[3, '"b","x\ry",3']],
    ],
    ['a table in UTF-16', ['m.tsv'], Buffer.from('\uFEFFid\ttext\na\té\nb\n', 'utf16le'), [[3, 'b']]],
    ['rows of nothing but delimiters', ['m.csv'], Buffer.from('id,a,b\n,,\nx,1,2\n'), [[2, ',,']]],
    ['plain lines', ['m.txt'], Buffer.from('a\n#b\nc\n'), [[2, '#b']]],
    ['names that end with NUL', ['m.txt', '-0'], Buffer.from('a\nb\0c'), [[2, 'c']]],
    [
      'elements of a document',
      ['m.json', '--path', '$.features[*]'],
      Buffer.from('{"features": [{"id": "a", "n": 1},\n {"id":  "",\n  "n": 2}, 7, {"id":"b"}]}'),
      [
        [2, '{"id":  "",\n  "n": 2}'],
        [3, '7'],
      ],
    ],
  ] as const)('%s', async (_, [name, ...flags], content, expected) => {
    await file(name, content)
    const { code } = await box.run(['load', name, ...flags, '--rejects', 'bad.jsonl'])
    expect(code).toBe(2)
    expect((await rejects()).map(told)).toEqual(expected.map(([line, raw]) => [name, line, 'refused', raw]))
  })

  test('invalid UTF-8 as bytes, and a line that is too long without its text', async () => {
    const bad = Buffer.from([0x7b, 0xff, 0x7d])
    const long = Buffer.alloc(17 * 1024 * 1024, 'x')
    // What follows a line that was dropped is read as ever, though it comes in several pieces.
    const good = `{"id":"a","body":"${'y'.repeat(10_000)}"}\n`
    await file('m.jsonl', Buffer.concat([bad, Buffer.from('\n'), long, Buffer.from(`\n${good}`)]))
    expect(await box.run(['load', 'm.jsonl', '--rejects', 'bad.jsonl'])).toMatchObject({
      out: expect.stringMatching(/^3 rows: 1 added, .* 2 refused/u),
      err: expect.not.stringContaining('blank'),
    })
    const [first, second] = await rejects()
    expect([first?.raw, Buffer.from(first?.rawBase64 ?? '', 'base64')]).toEqual([undefined, bad])
    expect([second?.line, second?.raw, second?.rawBase64]).toEqual([2, undefined, undefined])
    expect(second?.reason).toContain('longer than')
  })

  test('a value with invalid UTF-8: the row with its bytes', async () => {
    const rows = Buffer.concat([Buffer.from('id,t\na,"é\n'), Buffer.from([0xe9]), Buffer.from('"\nb,1\n')])
    await file('m.csv', rows)
    await box.run(['load', 'm.csv', '--rejects', 'bad.jsonl'])
    const [first] = await rejects()
    const row = Buffer.concat([Buffer.from('a,"é\n'), Buffer.from([0xe9]), Buffer.from('"')])
    expect(Buffer.from(first?.rawBase64 ?? '', 'base64')).toEqual(row)
  })

  test('changed and duplicate rows too, in the order of the list, from each file', async () => {
    await file('first.csv', 'id,n\nold,1\nplain,1\n')
    await box.run(['load', 'first.csv'])
    await file('a.csv', 'id,n\n,0\nold,"2"\nnew,1\nnew,1\n')
    await file('b.csv', 'id,n\nnew, 2\nshort\nplain,1\n')
    const lines = [
      ['a.csv', 2, 'refused', ',0'],
      ['a.csv', 3, 'changed', 'old,"2"'],
      ['a.csv', 5, 'duplicate', 'new,1'],
      ['b.csv', 2, 'duplicate', 'new, 2'],
      ['b.csv', 3, 'refused', 'short'],
    ]
    const list = ['load', 'a.csv', 'b.csv', '--rejects', 'bad.jsonl']
    expect((await box.run(list)).code).toBe(2)
    expect((await rejects()).map(told)).toEqual(lines)
    // What the queue has it does not know.
    await box.run([...list, '--dry-run'])
    expect((await rejects()).map(told)).toEqual(lines.filter(([, , what]) => what !== 'changed'))
  })

  test('once corrected, the texts are a list that can be loaded', async () => {
    await file('m.csv', 'id,text\na,1\nb\n"c","x\ny",3\n')
    await box.run(['load', 'm.csv', '--rejects', 'bad.jsonl'])
    const repaired = (await rejects()).map(({ raw = '' }) => (raw === 'b' ? 'b,2' : raw.replace(/,3$/u, '')))
    await file('again.csv', `id,text\n${repaired.join('\n')}\n`)
    expect(await box.json(['load', 'again.csv'])).toMatchObject({ added: 2, refused: 0 })
    const queue = await openQueue({ name: 'tiles', url: `sqlite:${join(box.dir, 'queue.db')}` })
    expect((await queue.lookup('c'))?.body).toEqual({ text: 'x\ny' })
    await queue.close()
  })

  test.each(JQ_LISTS)('the jq lines of the docs make a list of %s', { skip: !HAS_JQ }, async (_, list) => {
    const { name, content, flags = [], again } = list
    await file(name, content)
    await box.run(['load', name, ...flags, '--rejects', 'rejects.jsonl'])
    expect((await execa('bash', ['-euc', jqLines()], { cwd: box.dir })).exitCode).toBe(0)
    const texts = await readFile(join(box.dir, again[0]), 'utf8')
    await file(again[0], (list.repaired ?? ((text) => text.replaceAll(/^(?=[,;\t])/gmu, 'm')))(texts))
    const queue = `queue.url=sqlite:${join(box.dir, 'again.db')}`
    const loaded = await box.json(['load', ...again, '--set', queue])
    expect(loaded).toMatchObject({ rows: list.items.length, added: list.items.length, refused: 0 })
    const items = await openQueue({ name: 'tiles', url: `sqlite:${join(box.dir, 'again.db')}` })
    expect((await items.peek(10)).map(({ id, body }) => [id, body])).toEqual(list.items)
    await items.close()
  })

  test('with the same fields whether it was stored or only checked', async () => {
    await file('m.csv', 'id,n\na,1\na,2\n')
    const records: unknown[] = []
    for (const flags of [[], ['--dry-run'], ['--strict']]) {
      await box.run(['load', 'm.csv', '--rejects', 'bad.jsonl', ...flags])
      records.push(await rejects())
    }
    const reason = 'the id came before in this load, with another body; the first row counts'
    const only = [{ source: 'm.csv', line: 3, id: 'a', what: 'duplicate', reason, raw: 'a,2' }]
    expect(records).toEqual([only, only, only])
  })

  test('and in no report, since bodies do not belong in logs', async () => {
    await file('m.jsonl', '{"id":"","body":"confidential"}\n')
    const { out, err } = await box.run(['load', 'm.jsonl', '--rejects', 'bad.jsonl', '--json'])
    expect(out + err).not.toContain('confidential')
    expect((await rejects())[0]?.raw).toContain('confidential')
  })
})

describe('--rejects -', () => {
  test('writes the rejects to standard output and the report to standard error', async () => {
    const input = 'a\n#b\n\nc\n#d\n'
    const { code, out, err } = await box.run(['load', '-', '--format', 'lines', '--rejects', '-'], { input })
    expect(code).toBe(2)
    expect(parsed(out).map(told)).toEqual([
      ['standard input', 2, 'refused', '#b'],
      ['standard input', 5, 'refused', '#d'],
    ])
    expect(err).toMatch(/^4 rows: 2 added, 0 same, 0 changed, 0 duplicate, 2 refused, in /mu)
    expect(existsSync(join(box.dir, '-'))).toBe(false)
  })

  test('as JSON, and as a process', async () => {
    await file('m.txt', `${'#x\n'.repeat(3_000)}a\n`)
    const { code, out, err } = await box.spawn(['load', 'm.txt', '--rejects', '-', '--json'])
    expect([code, parsed(out).length]).toEqual([2, 3_000])
    expect(JSON.parse(err)).toMatchObject({ rows: 3_001, added: 1, refused: 3_000 })
  })

  test('a reader that closes the pipe does not end the load', async () => {
    await file(
      'm.txt',
      `${'#x\n'.repeat(20_000)}${Array.from({ length: 500 }, (_, n) => `i${n}\n`).join('')}`,
    )
    const load = box.start(['load', 'm.txt', '--rejects', '-'])
    await once(load.stdout, 'data')
    load.stdout.destroy()
    const { exitCode, stderr } = await load
    expect(exitCode).toBe(2)
    expect(stderr).toMatch(/20,?500 rows: 500 added/u)
    const { out } = await box.run(['status', '--json'])
    expect(JSON.parse(out)).toMatchObject({ sizes: { WAITING: 500 } })
  })
})

describe('an older file of rejects', () => {
  beforeEach(async () => {
    await file('bad.jsonl', 'of an older load\n')
    await file('good.txt', 'a\n')
    await file('ill.txt', '#a\n')
  })

  test.each([
    ['the list is not there', ['load', 'missing.txt']],
    ['the log of jobs is not there', ['load', 'good.txt', '--joblog', 'missing']],
    ['the configuration is wrong', ['load', 'good.txt', '--set', 'queue.url=nonsense:x']],
    ['the queue can’t be made', ['load', 'good.txt', '--set', 'queue.url=sqlite:good.txt/q.db']],
    ['a flag is wrong', ['load', 'good.txt', '--line-ends', 'xx']],
  ])('stays where %s, and none is created', async (_, args) => {
    const { code } = await box.run([...args, '--rejects', 'bad.jsonl'])
    expect(code).not.toBe(0)
    expect(await readFile(join(box.dir, 'bad.jsonl'), 'utf8')).toBe('of an older load\n')
    await box.run([...args, '--rejects', 'other.jsonl'])
    expect(existsSync(join(box.dir, 'other.jsonl'))).toBe(false)
  })

  test('is emptied by a load without rejects', async () => {
    expect((await box.run(['load', 'good.txt', '--rejects', 'bad.jsonl'])).code).toBe(0)
    expect(await readFile(join(box.dir, 'bad.jsonl'), 'utf8')).toBe('')
  })

  test('is replaced as a whole, whatever its length', async () => {
    await file('bad.jsonl', 'x'.repeat(100_000))
    for (const flags of [[], ['--dry-run'], ['--strict']]) {
      expect((await box.run(['load', 'ill.txt', '--rejects', 'bad.jsonl', ...flags])).code).toBe(2)
      expect((await rejects()).map(told)).toEqual([['ill.txt', 1, 'refused', '#a']])
    }
  })
})
