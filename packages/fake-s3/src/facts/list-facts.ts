import { check, same } from '@sluice/testkit/server'
import type { S3Fact } from './s3-fact.js'
import { expectRefusal, Folder, forEach } from './folder.js'

async function folderWith(target: ConstructorParameters<typeof Folder>[0], keys: readonly string[]) {
  const folder = new Folder(target)
  await forEach(keys, (key) => folder.putOk(key, `of ${key}`))
  return folder
}

function numbered(count: number, head = 'k'): string[] {
  return Array.from({ length: count }, (_, index) => `${head}${String(index).padStart(5, '0')}`)
}

/** The second of an instant: some stores list fractions that HEAD lacks. */
function seconds({ LastModified }: Readonly<Record<string, unknown>>): number {
  return LastModified instanceof Date ? Math.floor(LastModified.getTime() / 1_000) : Number.NaN
}

const pageFacts: readonly S3Fact[] = [
  {
    id: 'S3-LIST-1',
    title: 'A LIST after a PUT shows the object; after a DELETE it does not.',
    async run(target) {
      const folder = new Folder(target)
      for (let round = 0; round < 10; round++) {
        await folder.putOk('key', `round ${round}`)
        same(await folder.keys(), ['key'], 'LIST after PUT')
        await folder.delete('key')
        same(await folder.keys(), [], 'LIST after DELETE')
      }
    },
  },
  {
    id: 'S3-LIST-2',
    title: 'LIST is in the order of the bytes of UTF-8.',
    async run(target) {
      // U+FF5E comes before the emoji in UTF-8, and after it in UTF-16.
      const ordered = [
        '!',
        '-',
        '0',
        '10',
        '9',
        'A',
        'B',
        'Z',
        '_',
        'a',
        'aa',
        'b',
        'é',
        '中',
        '\uff5e',
        '😀',
      ]
      const folder = await folderWith(target, ordered.toReversed())
      same(await folder.keys(), ordered, 'the order of keys')
    },
  },
  {
    id: 'S3-LIST-3',
    title: 'A page has at most 1,000 keys; following the tokens gives each key once, in order.',
    heavy: true,
    async run(target) {
      const keys = numbered(1_005)
      const folder = await folderWith(target, keys)
      const pages = await folder.pages()
      same(
        pages.map((page) => page.keys.length),
        [1_000, 5],
        'keys in each page',
      )
      same(
        pages.flatMap((page) => page.keys),
        keys,
        'each key once, in order',
      )
      same(
        (await folder.page({ MaxKeys: 2_000 })).keys.length,
        1_000,
        'keys in a page when 2,000 are asked for',
      )
    },
  },
  {
    id: 'S3-LIST-4',
    title: 'MaxKeys makes pages shorter, and a last page that is full is not truncated.',
    async run(target) {
      const keys = numbered(9)
      const folder = await folderWith(target, keys)
      const pages = await folder.pages({ MaxKeys: 3 })
      same(
        pages.map((page) => page.keys),
        [keys.slice(0, 3), keys.slice(3, 6), keys.slice(6)],
        'the pages',
      )
      same(
        pages.map((page) => page.truncated),
        [true, true, false],
        'which pages are truncated',
      )
    },
  },
  {
    id: 'S3-LIST-5',
    title: 'StartAfter lists what follows a text, whether it is a key or not.',
    async run(target) {
      const folder = await folderWith(target, ['a', 'b', 'c'])
      const after = async (text: string) => (await folder.page({ StartAfter: folder.full(text) })).keys
      same(await after('a'), ['b', 'c'], 'after a key')
      same(await after('aa'), ['b', 'c'], 'after a text that is no key')
      same(await after('c'), [], 'after the last key')
      same(await after(''), ['a', 'b', 'c'], 'after what is before all keys')
      const pages = await folder.pages({ StartAfter: folder.full('a'), MaxKeys: 1 })
      same(
        pages.flatMap((page) => page.keys),
        ['b', 'c'],
        'with tokens too',
      )
    },
  },
  {
    id: 'S3-LIST-6',
    title: 'Prefix lists the keys that start with it, itself included, and no others.',
    async run(target) {
      const folder = await folderWith(target, ['a', 'ab', 'ab/c', 'ab0', 'abc', 'ac', 'b'])
      same(
        (await folder.page({ Prefix: folder.full('ab') })).keys,
        ['ab', 'ab/c', 'ab0', 'abc'],
        'keys of a prefix',
      )
      same((await folder.page({ Prefix: folder.full('x') })).keys, [], 'keys of a prefix that none has')
    },
  },
  {
    id: 'S3-LIST-7',
    title:
      'Delimiter groups keys by what they share up to it; each group is listed once and counts as a key.',
    async run(target) {
      const folder = await folderWith(target, ['a/1', 'a/2', 'a/3', 'b', 'c/1', 'c/2', 'd'])
      const all = await folder.page({ Delimiter: '/' })
      same(
        [all.keys, all.prefixes],
        [
          ['b', 'd'],
          ['a/', 'c/'],
        ],
        'keys and common prefixes',
      )
      const pages = await folder.pages({ Delimiter: '/', MaxKeys: 2 })
      same(
        pages.map((page) => [...page.prefixes, ...page.keys]),
        [
          ['a/', 'b'],
          ['c/', 'd'],
        ],
        'in pages of two',
      )
    },
  },
]

const entryFacts: readonly S3Fact[] = [
  {
    id: 'S3-LIST-8',
    title: 'With EncodingType url keys of control characters can be listed.',
    async run(target) {
      const keys = ['a\u0001b', 'tab\there', 'line\nbreak']
      const folder = await folderWith(target, keys)
      same((await folder.keys()).toSorted(), keys.toSorted(), 'the keys, decoded')
    },
  },
  {
    id: 'S3-LIST-9',
    title: 'An entry has the size, ETag and instant of HEAD.',
    async run(target) {
      const folder = await folderWith(target, ['key'])
      const { output } = await folder.head('key')
      const entry = (await folder.page()).entries[0] ?? {}
      const { ContentLength: Size, ETag } = output
      same([entry['Size'], entry['ETag']], [Size, ETag], 'size and ETag')
      same(seconds(entry), seconds(output), 'the second of the instant')
    },
  },
  {
    id: 'S3-LIST-10',
    title: 'A continuation token that is none is refused with 400 InvalidArgument.',
    async run(target) {
      const folder = new Folder(target)
      const came = await folder.ask('ListObjectsV2', { Prefix: target.prefix, ContinuationToken: 'no token' })
      expectRefusal(came, [400, 'InvalidArgument'], 'ListObjectsV2 with a wrong token')
    },
  },
  {
    id: 'S3-LIST-11',
    title: 'Paging while others write and delete shows every key that stays, once.',
    async run(target) {
      const stay = numbered(60, 'stay-')
      const folder = await folderWith(target, [...stay, ...numbered(30, 'go-')])
      const writing = new AbortController()
      const writer = async () => {
        for (let n = 0; !writing.signal.aborted; n++) {
          await folder.putOk(`new-${n}`, 'x')
          await folder.delete(`go-${String(n % 30).padStart(5, '0')}`)
          await folder.putOk(`zz-${n % 7}`, 'x')
        }
      }
      const written = writer()
      try {
        const listed = (await folder.pages({ MaxKeys: 7 })).flatMap((page) => page.keys)
        same(
          listed.filter((key) => key.startsWith('stay-')),
          stay,
          'the keys that stay',
        )
        check(new Set(listed).size === listed.length, 'no key twice', listed)
      } finally {
        writing.abort()
        await written
      }
    },
  },
  {
    id: 'S3-LIST-12',
    title: 'An empty page has no keys and is not truncated; the same with MaxKeys 0.',
    async run(target) {
      const folder = new Folder(target)
      const { keys, prefixes, truncated } = await folder.page()
      same(
        { keys, prefixes, truncated },
        { keys: [], prefixes: [], truncated: false },
        'the page of an empty folder',
      )
      await folder.putOk('key', 'x')
      const none = await folder.page({ MaxKeys: 0 })
      same(
        { keys: none.keys, truncated: none.truncated },
        { keys: [], truncated: false },
        'a page of no keys',
      )
    },
  },
]

export const listFacts: readonly S3Fact[] = [...pageFacts, ...entryFacts]
