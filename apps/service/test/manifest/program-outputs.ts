import { gzipSync } from 'node:zlib'
import type { ManifestRow } from './manifest-table.js'

const file = (name: string, content: string | Buffer) => ({ files: { [name]: content } })
const ROW = ['--id-from', 'row'] as const
const nothing = { items: [] } as const

const TABLES: readonly ManifestRow[] = [
  {
    title: 'Excel’s CSV UTF-8',
    ...file('a.csv', '\uFEFFid,t\r\n1,café\r\n2,\r\n'),
    args: ['a.csv'],
    items: [
      ['1', { t: 'café' }],
      ['2', { t: '' }],
    ],
    conveniences: { byteOrderMarks: 1 },
  },
  {
    title: 'Excel’s CSV (Macintosh): CR, and letters in MacRoman',
    ...file(
      'a.csv',
      Buffer.concat([Buffer.from('id,t\r1,caf'), Buffer.from([0x8e]), Buffer.from('\r2,b\r')]),
    ),
    args: ['a.csv'],
    items: [['2', { t: 'b' }]],
    refused: [['line 2, t', 'convert the file first, such as with iconv']],
    conveniences: { carriageReturnFiles: 1 },
  },
  {
    title: 'LibreOffice with semicolons and quotes',
    ...file('a.csv', '"id";"t"\n"1";"a;b"\n'),
    args: ['a.csv'],
    ...nothing,
    refused: [['line 1', 'use --delimiter ";"']],
  },
  {
    title: 'Numbers with the name of the table above it',
    ...file('a.csv', 'Table 1\n\nid,t\n1,a\n'),
    args: ['a.csv'],
    ...nothing,
    refused: [['line 1, id', 'skip lines above the header with --skip-lines']],
  },
  {
    title: 'Numbers, as the message says',
    ...file('a.csv', 'Table 1\n\nid,t\n1,a\n'),
    args: ['a.csv', '--skip-lines', '1'],
    items: [['1', { t: 'a' }]],
    conveniences: { skippedLines: 1, blankRows: 1 },
  },
  {
    title: 'pandas with its index: a column without a name is kept, and counted',
    ...file('a.csv', ',id,t\n0,x,a\n1,y,b\n'),
    args: ['a.csv'],
    items: [
      ['x', { '': '0', t: 'a' }],
      ['y', { '': '1', t: 'b' }],
    ],
    conveniences: { namelessColumns: 1 },
  },
  {
    title: 'pandas with its index, as the ids',
    ...file('a.csv', ',t\nr1,a\n'),
    args: ['a.csv', '--id-column', ''],
    items: [['r1', { t: 'a' }]],
    conveniences: { namelessColumns: 1 },
  },
  {
    title: 'pandas with an index of two levels',
    ...file('a.csv', ',,t\nx,1,a\n'),
    args: ['a.csv', ...ROW],
    ...nothing,
    refused: [['line 1', 'the header has several columns without a name: name all columns with --columns']],
  },
  {
    title: 'pandas with an index of two levels, as the message says',
    ...file('a.csv', ',,t\nx,1,a\n'),
    args: ['a.csv', '--skip-lines', '1', '--columns', 'id,n,t'],
    items: [['x', { n: '1', t: 'a' }]],
    conveniences: { skippedLines: 1 },
  },
  {
    title: 'pandas with numbers for names',
    ...file('a.csv', ',0,1\n0,a,b\n'),
    args: ['a.csv', ...ROW],
    items: [['a.csv:1', { '': '0', 0: 'a', 1: 'b' }]],
    conveniences: { namelessColumns: 1 },
  },
  {
    title: 'R’s write.csv: row names under an empty quoted name',
    ...file('a.csv', '"","id","n"\n"r1","x",1.5\n'),
    args: ['a.csv', '--typed'],
    items: [['x', { '': 'r1', n: 1.5 }]],
    conveniences: { namelessColumns: 1 },
  },
  {
    title: 'R’s write.table: the header has one name less than the rows',
    ...file('a.tsv', 'id\tn\nr1\tx\t1\nr2\ty\t2\n'),
    args: ['a.tsv'],
    ...nothing,
    refused: [
      [
        'line 2',
        "such as the row names of R's write.table, name all columns with --columns and skip the header",
      ],
      ['line 3', 'the row has 3 values, the header 2'],
    ],
  },
  {
    title: 'R’s write.table, as the message says',
    ...file('a.tsv', 'id\tn\nr1\tx\t1\n'),
    args: ['a.tsv', '--skip-lines', '1', '--columns', 'row,id,n'],
    items: [['x', { row: 'r1', n: '1' }]],
    conveniences: { skippedLines: 1 },
  },
  {
    title: 'R’s write.table with its defaults in a .txt',
    ...file('a.txt', '"id" "n"\n"r1" "x y" 1\n'),
    args: ['a.txt'],
    ...nothing,
    refused: [
      ['line 1', "use --format csv --delimiter ' ' --skip-lines 1 and name all columns with --columns"],
    ],
  },
  {
    title: 'R’s write.table with its defaults, as the message says',
    ...file('a.txt', '"id" "n"\n"r1" "x y" 1\n'),
    args: ['a.txt', '--format', 'csv', '--delimiter', ' ', '--skip-lines', '1', '--columns', 'row,id,n'],
    items: [['x y', { row: 'r1', n: '1' }]],
    conveniences: { skippedLines: 1 },
  },
  {
    title: 'a value more than the header in one row, and delimiters at the end of rows',
    ...file('a.csv', 'id,t\n1,a,\n2,b\n'),
    args: ['a.csv'],
    items: [['2', { t: 'b' }]],
    refused: [['line 2', 'the row has 3 values, the header 2']],
  },
  ...(
    [
      [1, '1,a\n2,b\n'],
      [2, 'tile,s3://b/1.tif\ntile,s3://b/2.tif\n'],
      [1, '/a/1.tif,10\n/a/2.tif,20\n'],
    ] as const
  ).map(([column, text]): ManifestRow => ({
    title: `a table without a header, with ids from the rows: ${text.slice(0, 6)}`,
    ...file('a.csv', text),
    args: ['a.csv', ...ROW],
    ...nothing,
    refused: [
      [
        'line 1',
        `the first row has a value instead of a name in column ${column}: name the columns with --columns`,
      ],
    ],
  })),
  {
    title: 'a header that looks like values, where it is said to be one',
    ...file('a.csv', '2020,2021\na,b\n'),
    args: ['a.csv', ...ROW, '--header-blanks', 'keep'],
    items: [['a.csv:1', { 2020: 'a', 2021: 'b' }]],
  },
  {
    title: 'a sample sheet of Illumina',
    ...file('a.csv', '[Header],,\nIEMFileVersion,4,\n[Data],,\nSample_ID,index,\nS1,ACGT,\n'),
    args: ['a.csv', ...ROW],
    ...nothing,
    refused: [['line 1', 'use --skip-lines 3 to begin with the header below [Data]']],
  },
  {
    title: 'a sample sheet of Illumina, as the message says',
    ...file('a.csv', '[Header],,\nIEMFileVersion,4,\n[Data],,\nSample_ID,index,\nS1,ACGT,\n'),
    args: ['a.csv', '--skip-lines', '3', '--id-column', 'Sample_ID'],
    items: [['S1', { index: 'ACGT' }]],
    conveniences: { skippedLines: 3, blankColumns: 1 },
  },
]

const SHOWN_TO_PEOPLE: readonly ManifestRow[] = [
  {
    title: 'psql’s aligned table',
    stdin: ' id | t \n----+---\n  1 | a\n(1 row)\n',
    args: ['-'],
    ...nothing,
    refused: [['line 1', "use --format csv --delimiter '|'"]],
  },
  {
    title: 'psql’s footer below one column',
    ...file('a.csv', 'id\n1\n(1 row)\n'),
    args: ['a.csv'],
    items: [['1', {}]],
    refused: [['line 3', 'the footer of a psql table: export the list with psql --csv']],
  },
  {
    title: 'psql’s footer below plain lines',
    stdin: 'a.tif\n(1 row)\n',
    args: ['-'],
    items: [['a.tif', { line: 'a.tif' }]],
    refused: [['line 2', 'the footer of a psql table']],
  },
  ...['+----+---+\n| id | t |\n+----+---+\n', '┌────┬───┐\n│ id │ t │\n└────┴───┘\n'].flatMap((text, index) =>
    ['a.txt', 'a.csv'].map((name): ManifestRow => ({
      title: `a table that is drawn for people: ${index === 0 ? 'mysql' : 'duckdb'}, ${name}`,
      ...file(name, text),
      args: [name, ...ROW],
      ...nothing,
      refused: [['line 1', 'the file is a formatted table']],
    })),
  ),
  {
    title: 'MySQL’s INTO OUTFILE in a .txt',
    ...file('a.txt', '1\ta\t\\N\n'),
    args: ['a.txt'],
    ...nothing,
    refused: [['line 1', 'use --format tsv for a table']],
  },
  {
    title: 'jq -c of strings, without -r',
    stdin: '"u1"\n"u2"\n',
    args: ['-'],
    ...nothing,
    refused: [['line 1', 'the first line is in quotes: write it without quotes (jq -r)']],
  },
  {
    title: 'jq --stream',
    stdin: '[["a"],1]\n[["a"]]\n',
    args: ['-'],
    ...nothing,
    refused: [['line 1', 'the file is a JSON array']],
  },
  {
    title: 'aws s3 ls',
    stdin: '                           PRE dir/\n2024-01-01 10:00:00       1234 a b.tif\n',
    args: ['-'],
    ...nothing,
    refused: [['line 1', 'the file is the output of aws s3 ls']],
  },
  {
    title: 'ls -l',
    stdin: 'total 8\n-rw-r--r-- 1 u g 0 Jan 1 10:00 a\n',
    args: ['-'],
    ...nothing,
    refused: [['line 1', 'the file is the output of ls -l']],
  },
  {
    title: 'ls -1, with a first name that only looks like the total',
    stdin: 'total 8\nz\n',
    args: ['-'],
    items: [
      ['total 8', { line: 'total 8' }],
      ['z', { line: 'z' }],
    ],
  },
  {
    title: 'find -printf with tabs',
    stdin: 'a.tif\t123\n',
    args: ['-'],
    ...nothing,
    refused: [['line 1', 'the first line contains tabs']],
  },
  ...['a.txt', 'a.csv', 'a.jsonl'].map((name): ManifestRow => ({
    title: `the error page of a server: ${name}`,
    ...file(name, '<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>\n'),
    args: [name, ...ROW],
    ...nothing,
    refused: [['line 1', 'the file is HTML or XML']],
  })),
]

/** As tar packs one file. */
function tar(content: string): Buffer {
  const head = Buffer.alloc(512)
  head.write('a.csv', 0)
  head.write('ustar', 257)
  return Buffer.concat([head, Buffer.from(content), Buffer.alloc(1_024)])
}

const BINARY: readonly ManifestRow[] = [
  ...(
    [
      ['Parquet', Buffer.from('PAR1\u0015\u0004\n1,a\n'), 'the file is Parquet: export it'],
      ['a workbook', Buffer.from('PK\u0003\u0004\n1,a\n'), 'an Excel workbook (.xlsx)'],
      ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x0a, 0x61, 0x0a]), 'decompress it with zstd -dc'],
      ['a tar archive', tar('id,t\n1,a\n'), 'the file is a tar archive: unpack it first'],
      ['gzip in gzip', gzipSync(gzipSync('id,t\n1,a\n')), 'the file is compressed twice'],
    ] as const
  ).flatMap(([what, bytes, reason]) =>
    ['a.csv', 'a.txt', 'a.jsonl', 'list'].map((name): ManifestRow => ({
      title: `${what} named ${name}`,
      ...file(name, bytes),
      args: [name, ...ROW],
      ...nothing,
      refused: [['line 1', reason]],
    })),
  ),
  {
    title: 'words that begin as other files do',
    ...file('a.txt', 'PAR1\nPAR2\n'),
    args: ['a.txt'],
    items: [
      ['PAR1', { line: 'PAR1' }],
      ['PAR2', { line: 'PAR2' }],
    ],
  },
  {
    title: 'gzip without its extension',
    ...file('a.csv', gzipSync('id,t\n1,a\n')),
    args: ['a.csv'],
    items: [['1', { t: 'a' }]],
  },
  {
    title: 'a gzip file of no bytes is truncated',
    ...file('a.jsonl.gz', ''),
    args: ['a.jsonl.gz'],
    ...nothing,
    code: 2,
    error: 'the gzip file is truncated',
  },
  {
    title: 'a gzip file of one byte is truncated',
    ...file('a.txt.gz', gzipSync('a\n').subarray(0, 1)),
    args: ['a.txt.gz'],
    ...nothing,
    code: 2,
    error: 'the gzip file is truncated',
  },
  { title: 'an empty list, packed', ...file('a.jsonl.gz', gzipSync('')), args: ['a.jsonl.gz'], ...nothing },
]

/** What programs write that is taken for a list. */
export const PROGRAM_OUTPUTS: readonly ManifestRow[] = [...TABLES, ...SHOWN_TO_PEOPLE, ...BINARY]
