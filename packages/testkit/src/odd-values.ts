import { MAX_DOCUMENT_NAME_BYTES, MAX_ID_BYTES, type JsonValue } from '@sluice/core'

/** Legal ids that are known to break stores. All are different items. */
export const oddIds: readonly string[] = [
  'a',
  'A',
  ' ',
  ' leading and trailing ',
  '.',
  '..',
  '../../etc/passwd',
  '.hidden',
  '/absolute/and/with//double/slash/',
  'back\\slash',
  'x'.repeat(MAX_ID_BYTES),
  `${'x'.repeat(MAX_ID_BYTES - 1)}y`,
  '😀'.repeat(MAX_ID_BYTES / 4),
  '👩‍👩‍👧 ünïcödé 漢字 عربى',
  'é',
  'e\u0301',
  "it's",
  '"quoted"',
  '`back`ticks',
  "'; DROP TABLE items; --",
  '%',
  '_',
  '%2F',
  'a%',
  '$1',
  // Kubernetes expands them in a container's environment and arguments.
  'a$$b',
  '$(X)',
  '$$(X)',
  'a$',
  '$é',
  '?',
  '#fragment',
  'a=b&c=d',
  's3://bucket/key with space+plus',
  '__proto__',
  'constructor',
  'toString',
  'null',
  'undefined',
  'true',
  '0',
  '00',
  '-1',
  '1e3',
  '[]',
  '{}',
  'tab\tnewline\ncarriage\r\u007f\u0001',
  '\u2028\u2029\ufeff\ufffd\uffff',
  'a'.repeat(63),
  'a'.repeat(64),
  'a'.repeat(255),
  'a'.repeat(256),
  'CON',
  '*',
  '{id}',
]

const MIXED = 'Zoom/é_漢-😀.b'

/**
 * Legal ids of every length from 1 byte to the longest, by what they are made of. All of a kind are
 * different, many by their length only.
 */
export const idsOfEachLength = {
  letters: eachLength((bytes) => 'abcdefgh'.repeat(bytes).slice(0, bytes)),
  escaped: eachLength((bytes) => '/'.repeat(bytes % 2) + 'é'.repeat(bytes >> 1)),
  mixed: eachLength((bytes) => cutToBytes(MIXED.repeat(bytes), bytes)),
} as const

function eachLength(make: (bytes: number) => string): readonly string[] {
  return Array.from({ length: MAX_ID_BYTES }, (_, index) => make(index + 1))
}

/** The first bytes of a text, with full stops in place of a character that would be cut in two. */
function cutToBytes(text: string, bytes: number): string {
  let [kept, left] = ['', bytes]
  for (const character of text) {
    const size = Buffer.byteLength(character)
    if (size > left) break
    kept += character
    left -= size
  }
  return kept + '.'.repeat(left)
}

/** What must be refused as an id, by name. */
export const badIds: readonly (readonly [what: string, id: unknown])[] = [
  ['an empty string', ''],
  ['1,025 bytes', 'x'.repeat(MAX_ID_BYTES + 1)],
  ['fewer than 1,024 characters but more bytes', 'é'.repeat(MAX_ID_BYTES / 2 + 1)],
  ['the NUL character', 'a\0b'],
  ['a high surrogate without its partner', 'a\ud800'],
  ['a low surrogate without its partner', '\udc00a'],
  ['undefined', undefined],
  ['null', null],
  ['a number', 7],
  ['an object', { toString: () => 'a' }],
]

/** Legal names of documents. All are different documents. */
export const oddDocumentNames: readonly string[] = [
  ...oddIds.filter((id) => Buffer.byteLength(id) <= MAX_DOCUMENT_NAME_BYTES),
  'a/',
  'a//',
  'a/b',
  'a/b/',
  'engine/state',
  'engine/State',
  'engine',
  '1',
  'a/1',
  'a.json',
  'x'.repeat(MAX_DOCUMENT_NAME_BYTES),
  `${'x'.repeat(MAX_DOCUMENT_NAME_BYTES - 1)}X`,
  '😀'.repeat(MAX_DOCUMENT_NAME_BYTES / 4),
  '/'.repeat(MAX_DOCUMENT_NAME_BYTES),
]

/** What must be refused as the name of a document, by name. */
export const badDocumentNames: readonly (readonly [what: string, name: unknown])[] = [
  ['an empty string', ''],
  ['129 bytes', 'x'.repeat(MAX_DOCUMENT_NAME_BYTES + 1)],
  ['fewer than 128 characters but more bytes', 'é'.repeat(MAX_DOCUMENT_NAME_BYTES / 2 + 1)],
  ['the NUL character', 'a\0b'],
  ['a high surrogate without its partner', 'a\ud800'],
  ['a low surrogate without its partner', '\udc00a'],
  ['undefined', undefined],
  ['null', null],
  ['a number', 7],
  ['an object', { toString: () => 'a' }],
]

/** A wrong value that passes the compiler wherever it is used, for the calls that must refuse it. */
export function posingAs(value: unknown): never
export function posingAs(value: unknown): unknown {
  return value
}

/** Every shape of JSON. */
export const bodies: readonly JsonValue[] = [
  null,
  true,
  false,
  0,
  -1,
  0.1,
  1e-7,
  1.7976931348623157e308,
  5e-324,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
  '',
  'text',
  'null',
  'a$$b',
  '$(HOME) $$(X) a$',
  '"',
  '\\',
  'NUL \0, controls \u0001\u001f\u007f, separators \u2028\u2029, U+FFFD \ufffd, 😀',
  [],
  [[]],
  [null, false, 0, '', [], {}],
  {},
  { a: { b: { c: [1, { d: null }] } } },
  { a$$b: ['$(X)', '$$(X)', 'a$'] },
  { '': 0, ' ': 1, '0': 2, 'a.b': 3, "it's": 4, constructor: 5, toString: 6, '\0': 7, 漢: 8 },
  JSON.parse('{"__proto__":{"polluted":true},"b":1}'),
  { z: 1, a: 2, m: { y: 1, b: 2 } },
  JSON.parse(`${'['.repeat(200)}1${']'.repeat(200)}`),
  Array.from({ length: 500 }, (_, index) => ({ index, name: `n${index}` })),
  'x'.repeat(100_000),
]

/** What must be refused as a body, by name, and what the message must say of where it is. */
export const badBodies: readonly (readonly [what: string, body: unknown, path: string])[] = [
  ['undefined', undefined, '$'],
  ['a function', () => 1, '$'],
  ['a symbol', Symbol('s'), '$'],
  ['a BigInt', { n: [1n] }, '$.n[0]'],
  ['NaN', { a: { b: [0, Number.NaN] } }, '$.a.b[1]'],
  ['an infinity', [Number.POSITIVE_INFINITY], '$[0]'],
  ['undefined inside', { a: 1, b: undefined }, '$.b'],
  ['a surrogate without its partner', { paths: ['caf\udce9.tif'] }, '$.paths[0]'],
  ['a surrogate without its partner in a key', { 'x\ud800': 1 }, '$["x\\ud800"]'],
  ['a hole in an array', Array.from<number>({ length: 2 }).with(0, 1), '$[1]'],
  ['a Date', { at: new Date(0) }, '$.at'],
  ['a Map', { map: new Map() }, '$.map'],
  ['a cycle', cycle(), '$.self'],
]

function cycle(): object {
  const loop: Record<string, unknown> = {}
  loop['self'] = loop
  return loop
}
