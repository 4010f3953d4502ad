import { gzipSync } from 'node:zlib'
import type { ManifestRow } from './manifest-table.js'

const file = (name: string, content: string | Buffer) => ({ files: { [name]: content } })
const ROW = ['--id-from', 'row'] as const
const MARK = '\uFEFF'
const RS = '\u001E'
const nothing = { items: [] } as const

/** Places in a document: each refusal says which of its elements it means. */
const ELEMENTS: readonly ManifestRow[] = [
  {
    title: 'elements on one line: number, byte and id of each that is refused',
    ...file(
      'a.json',
      '[{"id":"a","body":1},{"id":"b","body":-0},{"body":1},{"id":"c","x":1},7,{"id":8,"body":[864691135012345679]},{"id":"","body":1}]',
    ),
    args: ['a.json', '--path', '$[*]'],
    items: [['a', 1]],
    refused: [
      ['line 1, element 2, byte 21, id b, $.body', '-0 would come back as 0: write 0, or the string "-0"'],
      ['line 1, element 3, byte 42, id', 'the field is missing'],
      ['line 1, element 4, byte 53, id c, body', 'the formats differ'],
      ['line 1, element 5, byte 70', 'the element is a number; expected one JSON object'],
      ['line 1, element 6, byte 72, id 8, $.body[0]', 'a 64-bit float cannot hold this number'],
      ['line 1, element 7, byte 109, id', 'id must not be empty'],
    ],
  },
  {
    title: 'elements behind a byte order mark: bytes are those of the file; and where the document breaks',
    ...file('a.json', `${MARK}{"f":[{"id":"é","body":1},{"id":"b"}]} x`),
    args: ['a.json', '--path', '$.f[*]'],
    items: [['é', 1]],
    refused: [
      ['line 1, element 2, byte 30, id b, body', 'the formats differ'],
      ['line 1, byte 43', 'the document is not JSON here'],
    ],
    conveniences: { byteOrderMarks: 1 },
  },
  {
    title: 'elements of a document in UTF-16 have no bytes of the file',
    ...file('a.json', Buffer.from(`${MARK}[{"id":"a","body":1},{"id":"b"}]`, 'utf16le')),
    args: ['a.json', '--path', '$[*]'],
    items: [['a', 1]],
    refused: [['line 1, element 2, id b, body', 'the formats differ']],
    conveniences: { utf16: 1 },
  },
  {
    title: 'elements of two files, with ids from --id-field and from the rows',
    files: { 'a.json': '[{"k":{"n":5}},{"k":{"n":6},"x":-0}]', 'b.json': '[{"k":{}}]' },
    args: ['a.json', 'b.json', '--path', '$[*]', '--id-field', 'k.n'],
    items: [['5', { k: { n: 5 } }]],
    refused: [
      ['a.json, line 1, element 2, byte 15, id 6, $.x', '-0 would come back as 0'],
      ['b.json, line 1, element 1, byte 1, k.n', 'the field is missing'],
    ],
  },
]

/** First lines of plain lists that are none, and lists that must not suffer from it. */
const HEADERS_IN_LISTS: readonly ManifestRow[] = [
  {
    title: 'Excel’s Unicode Text: UTF-16 with tabs in a .txt',
    ...file('a.txt', Buffer.from(`${MARK}sample\tfastq_1\r\nS1\ta.fq\r\n`, 'utf16le')),
    args: ['a.txt'],
    ...nothing,
    refused: [['line 1', `use --format tsv for a table (with --quote '"' if a spreadsheet wrote it`]],
    conveniences: { utf16: 1 },
  },
  {
    title: 'Excel’s Unicode Text, as the message says',
    ...file('a.txt', Buffer.from(`${MARK}sample\tt\r\nS1\t"a, ""b"""\r\n`, 'utf16le')),
    args: ['a.txt', '--format', 'tsv', '--quote', '"', '--id-column', 'sample'],
    items: [['S1', { t: 'a, "b"' }]],
    conveniences: { utf16: 1 },
  },
  ...['id', 'sample', 'Sample ID', 'sample_id', 'runId', '"id"', 'filename'].map((name): ManifestRow => ({
    title: `standard input with the header ${name} alone`,
    stdin: `${name}\nliver\nheart\n`,
    args: ['-'],
    ...nothing,
    refused: [['line 1', 'the first line is likely a column name, not an item: use --format csv']],
  })),
  {
    title: 'a header of one word in a .txt, by what follows it',
    ...file('a.txt', 'path\n/data/1.tif\n'),
    args: ['a.txt'],
    ...nothing,
    refused: [['line 1', 'use --format csv --id-column path, or --format lines if every line is an item']],
  },
  {
    title: 'a header of one word, as the message says',
    ...file('a.txt', 'path\n/data/1.tif\n'),
    args: ['a.txt', '--format', 'csv', '--id-column', 'path'],
    items: [['/data/1.tif', {}]],
  },
  {
    title: 'a header of one word is an item where it is said to be one',
    ...file('a.txt', 'id\nb\n'),
    args: ['a.txt', '--format', 'lines'],
    items: [
      ['id', { line: 'id' }],
      ['b', { line: 'b' }],
    ],
  },
  {
    title: 'words and paths that are no header',
    ...file('a.txt', 'path\nname\nid\nx, y/a b.tif\nsample\n'),
    args: ['a.txt'],
    items: ['path', 'name', 'id', 'x, y/a b.tif', 'sample'].map((line) => [line, { line }] as const),
  },
  {
    title: 'a list of one word, and paths with commas and semicolons',
    ...file('a.txt', 'scans/a,b;c.tif\nid.tif\n'),
    args: ['a.txt'],
    items: ['scans/a,b;c.tif', 'id.tif'].map((line) => [line, { line }] as const),
  },
  {
    title: 'one word that is a name at times, and nothing after it',
    stdin: 'file',
    args: ['-'],
    items: [['file', { line: 'file' }]],
  },
  ...['id,url', 'sample,fastq_1', 'path;size', 'image_id|label'].map((header): ManifestRow => ({
    title: `a .txt with the header ${header}`,
    ...file('a.txt', `${header}\na.b${/[,;|]/u.exec(header)?.[0] ?? ''}c\n`),
    args: ['a.txt'],
    ...nothing,
    refused: [['line 1', 'the first line is likely a table header: use --format csv']],
  })),
  {
    title: 'tabs in a later line of a plain list',
    stdin: 'a.tif\nb\tc.tif\nd.tif\n',
    args: ['-'],
    items: [
      ['a.tif', { line: 'a.tif' }],
      ['d.tif', { line: 'd.tif' }],
    ],
    refused: [['line 2', 'the line contains tabs, and the first line does not: use --format lines']],
  },
  {
    title: 'tabs in a list that is said to be one',
    ...file('a.txt', 'b\tc.tif\n'),
    args: ['a.txt', '--format', 'lines'],
    items: [['b\tc.tif', { line: 'b\tc.tif' }]],
  },
  {
    title: 'blank lines of plain text have no number',
    ...file('a.txt', 'a\n\n\nb\n'),
    args: ['a.txt', ...ROW],
    items: [
      ['a.txt:1', { line: 'a' }],
      ['a.txt:2', { line: 'b' }],
    ],
    conveniences: { blankRows: 2 },
  },
]

/** Files that were put together. */
const JOINED: readonly ManifestRow[] = [
  {
    title: 'JSON lines with a byte order mark in the middle: no JSON begins with one',
    ...file('a.jsonl', `${MARK}{"id":"a","body":1}\n${MARK}${MARK}{"id":"b","body":"${MARK}"}\n`),
    args: ['a.jsonl'],
    items: [
      ['a', 1],
      ['b', MARK],
    ],
    conveniences: { byteOrderMarks: 3 },
  },
  {
    title:
      'CSV with a byte order mark in the middle: of a row, of a header, before a quote, in an id, in a value',
    ...file(
      'a.csv',
      `${MARK}id,t\n1,a\n${MARK}2,b\n${MARK}id,t\n${MARK}"3",c\n4${MARK},d\n5,${MARK}e\n"${MARK}6",f\n`,
    ),
    args: ['a.csv'],
    items: [
      ['1', { t: 'a' }],
      ['5', { t: `${MARK}e` }],
      [`${MARK}6`, { t: 'f' }],
    ],
    refused: [
      ['line 3, id', 'the line begins with a byte order mark (U+FEFF), as in concatenated files'],
      ['line 4', 'a repeated header'],
      ['line 5', 'use --byte-order-marks drop, or keep if it belongs to the value'],
      ['line 6, id', 'the line contains a byte order mark (U+FEFF)'],
    ],
    conveniences: { byteOrderMarks: 1 },
  },
  {
    title: 'byte order marks in the middle of a CSV dropped and counted',
    ...file('a.csv', `${MARK}id,t\n${MARK}1,a\n${MARK}"2",b\n3,${MARK}c\n`),
    args: ['a.csv', '--byte-order-marks', 'drop'],
    items: [
      ['1', { t: 'a' }],
      ['2', { t: 'b' }],
      ['3', { t: `${MARK}c` }],
    ],
    conveniences: { byteOrderMarks: 3 },
  },
  {
    title: 'byte order marks in the middle of a CSV kept',
    ...file('a.csv', `id,t\n${MARK}1,a\n`),
    args: ['a.csv', '--byte-order-marks', 'keep'],
    items: [[`${MARK}1`, { t: 'a' }]],
  },
  {
    title: 'two byte order marks before a header',
    ...file('a.csv', `${MARK}${MARK}t,u\n1,a\n`),
    args: ['a.csv', ...ROW],
    ...nothing,
    refused: [['line 1', 'the line begins with a byte order mark']],
    conveniences: { byteOrderMarks: 1 },
  },
  {
    title: 'plain lines with a byte order mark in the middle',
    ...file('a.txt', `${MARK}a\n${MARK}b\nc${MARK}d\n`),
    args: ['a.txt'],
    items: [['a', { line: 'a' }]],
    refused: [
      [
        'line 2',
        'load the files in one call instead (sluice load a.csv b.csv), or use --byte-order-marks drop',
      ],
      ['line 3', 'as where files were concatenated without a line break'],
    ],
    conveniences: { byteOrderMarks: 1 },
  },
  {
    title: 'plain lines with a byte order mark dropped',
    ...file('a.txt', `a\n${MARK}b\n`),
    args: ['a.txt', '--byte-order-marks', 'drop'],
    items: [
      ['a', { line: 'a' }],
      ['b', { line: 'b' }],
    ],
    conveniences: { byteOrderMarks: 1 },
  },
  {
    title: 'a header with its columns in another order: what is below it is not read',
    ...file('a.csv', 'id,t\n1,a\nt,id\nb,2\n'),
    args: ['a.csv'],
    items: [['1', { t: 'a' }]],
    refused: [['line 3', 'another header, with the columns in another order']],
  },
  {
    title: 'ids of rows: .gz is no part of the base name',
    ...file('a.csv.gz', gzipSync('t\n1\n')),
    args: ['a.csv.gz', ...ROW],
    items: [['a.csv:1', { t: '1' }]],
  },
  {
    title: 'ids of rows of a file and of the same file compressed',
    files: { 'a.csv': 't\n1\n', 'a.csv.gz': gzipSync('t\n1\n') },
    args: ['a.csv', 'a.csv.gz', ...ROW],
    ...nothing,
    code: 2,
    error: 'both are named a.csv (without .gz)',
  },
]

/** Text sequences, and contents that a name does not tell. */
const OTHER_NAMES: readonly ManifestRow[] = [
  ...['geojsonl', 'geojsons', 'ndgeojson', 'geojsonseq'].map((extension): ManifestRow => ({
    title: `a GeoJSON text sequence in a .${extension}, with and without record separators`,
    ...file(
      `a.${extension}`,
      `${RS}{"type":"Feature","properties":{"n":"a"}}\n{"type":"Feature","properties":{"n":"b"}}\n`,
    ),
    args: [`a.${extension}`, '--id-field', 'properties.n', '--body-field', 'type'],
    items: [
      ['a', 'Feature'],
      ['b', 'Feature'],
    ],
  })),
  {
    title: 'a text sequence on standard input',
    stdin: `${RS}{"id":"a","body":1}\n${RS}\n${RS}${RS}{"id":"b","body":2}\n`,
    args: ['-'],
    items: [
      ['a', 1],
      ['b', 2],
    ],
    conveniences: { blankRows: 1 },
  },
  {
    title: 'a text sequence whose texts go over lines',
    ...file('a.geojsonseq', `${RS}{\n"id":"a","body":1}\n${RS}{"id":"b",\n"body":2}\n`),
    args: ['a.geojsonseq'],
    ...nothing,
    refused: [['line 1', "use --path '$' to read it unchanged"]],
  },
  {
    title: 'a text sequence whose texts go over lines, by --path',
    ...file('a.geojsonseq', `${RS}{\n"id":"a","body":1}\n${RS}{"id":"b",\n"body":2}\n`),
    args: ['a.geojsonseq', '--path', '$'],
    items: [
      ['a', 1],
      ['b', 2],
    ],
  },
  ...['csv', 'tsv'].map((extension): ManifestRow => ({
    title: `JSON lines named .${extension}, with ids from the rows`,
    ...file(`a.${extension}`, '{"id":"a","body":1}\n{"id":"b","body":2}\n'),
    args: [`a.${extension}`, ...ROW],
    ...nothing,
    refused: [['line 1', 'the file contains JSON, not a table: use --format jsonl']],
  })),
  {
    title: 'a text sequence named .csv',
    ...file('a.csv', `${RS}{"id":"a","body":1}\n`),
    args: ['a.csv'],
    ...nothing,
    refused: [['line 1', 'use --format jsonl']],
  },
  {
    title: 'JSON lines named .csv, with the flag',
    ...file('a.csv', '{"id":"a","body":1}\n'),
    args: ['a.csv', '--format', 'jsonl'],
    items: [['a', 1]],
  },
  {
    title: 'JSON lines named .txt are JSON lines: a text may be anything',
    ...file('a.txt', '{"id":"a","body":1}\n'),
    args: ['a.txt'],
    items: [['a', 1]],
  },
  {
    title: 'CSV named .jsonl',
    ...file('a.jsonl', 'id,t\n1,a\n'),
    args: ['a.jsonl'],
    ...nothing,
    refused: [['line 1', 'the first line is likely a table header: use --format csv']],
  },
  {
    title: 'TSV named .json',
    ...file('a.json', 'id\tt\n1\ta\n'),
    args: ['a.json'],
    ...nothing,
    refused: [['line 1', 'use --format tsv']],
  },
  {
    title: 'a line above JSON lines refuses itself alone',
    ...file('a.jsonl', 'Exporting 1 row\n{"id":"a","body":1}\n'),
    args: ['a.jsonl'],
    items: [['a', 1]],
    refused: [['line 1', 'not JSON']],
  },
  {
    title: 'lines at the beginning left out: lines keep their numbers',
    ...file('a.jsonl', 'Exporting 2 rows\r\n{"id":"a","body":1}\r\nx\r\n'),
    args: ['a.jsonl', '--skip-lines', '1'],
    items: [['a', 1]],
    refused: [['line 3', 'not JSON']],
    conveniences: { skippedLines: 1 },
  },
  {
    title: 'more lines left out than there are',
    ...file('a.txt', 'a\nb'),
    args: ['a.txt', '--skip-lines', '2'],
    ...nothing,
    refused: [['line 1', '--skip-lines skips all lines of the file']],
    conveniences: { skippedLines: 1 },
  },
]

/** Ids and values of tables. */
const CELLS: readonly ManifestRow[] = [
  {
    title: '--typed: only what would be written back the same is a number',
    ...file(
      'a.csv',
      'id,a,b,c,d\n1,1.10,1.1,1.0,1e3\n2,+5,.5,5.,-5\n3,1e21,1e+21,00,0\n4,v1,1.2.3,Infinity,NaN\n',
    ),
    args: ['a.csv', '--typed'],
    items: [
      ['1', { a: '1.10', b: 1.1, c: '1.0', d: '1e3' }],
      ['2', { a: '+5', b: '.5', c: '5.', d: -5 }],
      ['3', { a: '1e21', b: 1e21, c: '00', d: 0 }],
      ['4', { a: 'v1', b: '1.2.3', c: 'Infinity', d: 'NaN' }],
    ],
    conveniences: { numbersAsText: 8 },
  },
  {
    title: 'an id of several columns: one of them may be empty, not all',
    ...file('a.csv', 'sample,lane,x\nS1,,1\n,,2\n,L1,3\n'),
    args: ['a.csv', '--id-column', 'sample,lane'],
    items: [
      ['S1:', { sample: 'S1', lane: '', x: '1' }],
      [':L1', { sample: '', lane: 'L1', x: '3' }],
    ],
    refused: [['line 3, sample,lane', 'id must not be empty: all of its columns are empty']],
  },
  {
    title: 'an id that is refused is named by its column',
    ...file('a.csv', `key,t\n,a\n${'x'.repeat(1_025)},b\n`),
    args: ['a.csv', '--id-column', 'key'],
    ...nothing,
    refused: [
      ['line 2, key', 'id must not be empty; fill it in, or use --id-from row'],
      ['line 3, key', 'id is 1025 bytes'],
    ],
  },
  {
    title: 'bytes of another encoding: the message converts them',
    ...file('a.csv', Buffer.from('id,t\n1,caf\u00e9\n', 'latin1')),
    args: ['a.csv'],
    ...nothing,
    refused: [['line 2, t', 'the value is not valid UTF-8 (in a UTF-16 file: half a character); convert']],
  },
]

/** Inputs that are not what their names, their first lines or their producers say. */
export const MISTAKEN_INPUTS: readonly ManifestRow[] = [
  ...ELEMENTS,
  ...HEADERS_IN_LISTS,
  ...JOINED,
  ...OTHER_NAMES,
  ...CELLS,
]
