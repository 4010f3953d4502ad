import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import type { JsonValue } from '@sluice/core'
import { MISTAKEN_INPUTS } from './mistaken-inputs.js'
import { PROGRAM_OUTPUTS } from './program-outputs.js'

/** One small input of `sluice load`, and all that comes of it. */
export interface ManifestRow {
  readonly title: string
  /** Files by their names. */
  readonly files?: Readonly<Record<string, string | Buffer>>
  readonly stdin?: string | Buffer
  /** What follows `sluice load`. */
  readonly args: readonly string[]
  /** What is stored, in the order of the queue. */
  readonly items: readonly (readonly [id: string, body: JsonValue])[]
  /** What is refused: where, and a part of the reason. */
  readonly refused?: readonly (readonly [at: string, reason: string])[]
  /** What no reason says. */
  readonly lacks?: string
  readonly conveniences?: Readonly<Record<string, number>>
  /** Of the process. Default: 2 where something is refused, else 0. */
  readonly code?: number
  /** A part of the message that ends the command before anything is read. */
  readonly error?: string
}

const sample = (name: string) => ({
  files: { [name]: readFileSync(new URL(`samples/${name}`, import.meta.url)) },
})

const csv = (text: string) => ({ files: { 'a.csv': text } })
const tsv = (text: string) => ({ files: { 'a.tsv': text } })
const jsonl = (text: string) => ({ files: { 'a.jsonl': text } })
const json = (text: string) => ({ files: { 'a.json': text } })
const txt = (text: string) => ({ files: { 'a.txt': text } })

const ROW = ['--id-from', 'row'] as const

function utf16(text: string, order: 'le' | 'be'): Buffer {
  const bytes = Buffer.from(`\uFEFF${text}`, 'utf16le')
  return order === 'le' ? bytes : bytes.swap16()
}

function utf32(text: string, order: 'le' | 'be'): Buffer {
  const units = Array.from(`\uFEFF${text}`, (char) => {
    const unit = Buffer.alloc(4)
    unit.writeUInt32LE(char.codePointAt(0) ?? 0)
    return order === 'le' ? unit : Buffer.from(unit.toReversed())
  })
  return Buffer.concat(units)
}

const SAMPLES: readonly ManifestRow[] = [
  {
    title: 'swallowed-rows.tsv: a quote in a TSV is a character like any other',
    ...sample('swallowed-rows.tsv'),
    args: ['swallowed-rows.tsv', '--id-column', 'run_accession'],
    items: [
      ['ERR1', { sample_title: 'soil', fastq_ftp: 'ftp/1.fq.gz' }],
      ['ERR2', { sample_title: '"top layer', fastq_ftp: 'ftp/2.fq.gz' }],
      ['ERR3', { sample_title: 'soil', fastq_ftp: 'ftp/3.fq.gz' }],
      ['ERR4', { sample_title: 'depth 5"', fastq_ftp: 'ftp/4.fq.gz' }],
      ['ERR5', { sample_title: 'soil', fastq_ftp: 'ftp/5.fq.gz' }],
    ],
  },
  {
    title: 'big-int-body.jsonl: numbers that would change are refused with line and path',
    ...sample('big-int-body.jsonl'),
    args: ['big-int-body.jsonl'],
    items: [],
    refused: [
      ['line 1, $.body.root_id', 'a 64-bit float cannot hold this number'],
      ['line 2, $.body.root_id', 'a 64-bit float cannot hold this number'],
    ],
  },
  {
    title: 'excel-trailing-blank-columns.csv: blank columns and the blank rows at the end are counted',
    ...sample('excel-trailing-blank-columns.csv'),
    args: ['excel-trailing-blank-columns.csv', '--id-column', 'sample'],
    items: [
      ['A', { fastq_1: 'a_1.fq.gz', fastq_2: 'a_2.fq.gz' }],
      ['B', { fastq_1: 'b_1.fq.gz', fastq_2: 'b_2.fq.gz' }],
    ],
    conveniences: { blankColumns: 2, blankRows: 2 },
  },
  {
    title: 'header-with-a-space.csv: a blank within a name belongs to it',
    ...sample('header-with-a-space.csv'),
    args: ['header-with-a-space.csv', '--id-column', 'sample'],
    items: [
      ['S1', { 'Sample Group': 'g', item: 'a', seconds: '0' }],
      ['S2', { 'Sample Group': 'g', item: 'b', seconds: '0' }],
    ],
  },
  {
    title: 'nfcore-lanes.csv: an id of two columns, which stay in the body',
    ...sample('nfcore-lanes.csv'),
    args: ['nfcore-lanes.csv', '--id-column', 'sample,fastq_1', '--blank', 'absent'],
    items: [
      ...['L002', 'L003', 'L004'].map(
        (lane) =>
          [
            `CONTROL_REP1:${lane}_R1.fq.gz`,
            {
              sample: 'CONTROL_REP1',
              fastq_1: `${lane}_R1.fq.gz`,
              fastq_2: `${lane}_R2.fq.gz`,
              strandedness: 'auto',
            },
          ] as const,
      ),
      ['TREATED:T1.fq.gz', { sample: 'TREATED', fastq_1: 'T1.fq.gz', strandedness: 'auto' }],
    ],
  },
  {
    title: 'nfcore-lanes.csv: ids of the rows',
    ...sample('nfcore-lanes.csv'),
    args: ['nfcore-lanes.csv', '--id-from', 'row', '--columns', 'a,b,c,d', '--keep-header-rows'],
    items: [
      ['nfcore-lanes.csv:1', { a: 'sample', b: 'fastq_1', c: 'fastq_2', d: 'strandedness' }],
      ['nfcore-lanes.csv:2', { a: 'CONTROL_REP1', b: 'L002_R1.fq.gz', c: 'L002_R2.fq.gz', d: 'auto' }],
      ['nfcore-lanes.csv:3', { a: 'CONTROL_REP1', b: 'L003_R1.fq.gz', c: 'L003_R2.fq.gz', d: 'auto' }],
      ['nfcore-lanes.csv:4', { a: 'CONTROL_REP1', b: 'L004_R1.fq.gz', c: 'L004_R2.fq.gz', d: 'auto' }],
      ['nfcore-lanes.csv:5', { a: 'TREATED', b: 'T1.fq.gz', c: '', d: 'auto' }],
    ],
  },
  {
    title: 'stac-items.json: one document is refused whole, with the line that converts it',
    ...sample('stac-items.json'),
    args: ['stac-items.json'],
    items: [],
    refused: [
      [
        'line 1',
        "use --path '$.features[*]' to read it unchanged, or convert it: jq -c '.features[]' stac-items.json | sluice load -",
      ],
    ],
  },
  {
    title: 'stac-items.json: --path reads it',
    ...sample('stac-items.json'),
    args: ['stac-items.json', '--path', '$.features[*]', '--body-field', 'assets.B04'],
    items: [
      ['S2A_1', { href: 's3://x/1.tif' }],
      ['S2A_2', { href: 's3://x/2.tif' }],
    ],
  },
  {
    title: 'surrogate-escape.jsonl: a surrogate without its partner is refused, not replaced',
    ...sample('surrogate-escape.jsonl'),
    args: ['surrogate-escape.jsonl'],
    items: [],
    refused: [['line 1, $.body.path', 'a surrogate without its partner']],
  },
]

const QUOTES: readonly ManifestRow[] = [
  {
    title: 'TSV with quotes, where they are said to be quotes',
    ...tsv('id\tt\n1\t"a\tb"\n2\t"say ""hi"""\n'),
    args: ['a.tsv', '--quote', '"'],
    items: [
      ['1', { t: 'a\tb' }],
      ['2', { t: 'say "hi"' }],
    ],
  },
  {
    title: 'TSV with quotes around values: as they are, and counted',
    ...tsv('id\tt\n1\t"a"\n'),
    args: ['a.tsv'],
    items: [['1', { t: '"a"' }]],
    conveniences: { quotesAsText: 1 },
  },
  {
    title: '--delimiter tab of standard input: no quotes either',
    stdin: 'id\tt\n1\t"a\n2\tb"\n',
    args: ['-', '--delimiter', 'tab'],
    items: [
      ['1', { t: '"a' }],
      ['2', { t: 'b"' }],
    ],
  },
  {
    title: 'CSV by RFC 4180, CRLF and LF within quotes kept',
    ...csv('id,t\r\n1,"a,b"\r\n2,"say ""hi"""\r\n3,"one\r\ntwo\nthree"\r\n'),
    args: ['a.csv'],
    items: [
      ['1', { t: 'a,b' }],
      ['2', { t: 'say "hi"' }],
      ['3', { t: 'one\r\ntwo\nthree' }],
    ],
    conveniences: { rowsOverLines: 1 },
  },
  {
    title: 'another quote',
    ...csv("id,t\n1,'a,b'\n2,\"c\"\n3,'it''s'\n"),
    args: ['a.csv', '--quote', "'"],
    items: [
      ['1', { t: 'a,b' }],
      ['2', { t: '"c"' }],
      ['3', { t: "it's" }],
    ],
  },
  {
    title: 'CSV without quotes',
    ...csv('id,t\n1,5"\n2,"x\n'),
    args: ['a.csv', '--quote', 'none'],
    items: [
      ['1', { t: '5"' }],
      ['2', { t: '"x' }],
    ],
  },
  {
    title: 'a quote inside an unquoted value refuses its row alone',
    ...csv('id,t\n1,a\n2,5" pipe\n3,c\n'),
    args: ['a.csv'],
    items: [
      ['1', { t: 'a' }],
      ['3', { t: 'c' }],
    ],
    refused: [['line 3', 'an unquoted value contains a quote']],
  },
  {
    title: 'text after a closing quote refuses its row alone, at its first line',
    ...csv('id,t\n1,"a\nb"c\n2,d\n'),
    args: ['a.csv'],
    items: [['2', { t: 'd' }]],
    refused: [
      ['line 2', 'text follows a closing quote'],
      ['line 3', 'an unquoted value contains a quote'],
    ],
  },
  {
    title: 'a quote that never closes refuses its own row, and the next ones are read',
    ...csv('id,t\n1,"a\n2,b\n3,c\n'),
    args: ['a.csv'],
    items: [
      ['2', { t: 'b' }],
      ['3', { t: 'c' }],
    ],
    refused: [['line 2', 'a quote opened in this row is never closed']],
  },
  {
    title: 'a quote that closes too late is an error at its own line',
    ...csv('id,t\n1,"a\n2,b\n3,c\n4,d"\n5,e\n'),
    args: ['a.csv', '--max-row-lines', '3'],
    items: [
      ['2', { t: 'b' }],
      ['3', { t: 'c' }],
      ['5', { t: 'e' }],
    ],
    refused: [
      ['line 2', 'not closed within 3 lines'],
      ['line 5', 'an unquoted value contains a quote'],
    ],
  },
  {
    title: '--strict: a malformed row stores nothing',
    ...csv('id,t\n1,a\n2,b"c\n'),
    args: ['a.csv', '--strict'],
    items: [],
    refused: [['line 3', 'an unquoted value contains a quote']],
  },
  {
    title: 'a backslash within quotes, as Spark writes it; outside of quotes it is a character',
    ...csv('id,t\n1,"say \\"hi\\""\n2,"a\\\\b,"\n3,C:\\dir\n4,\\N\n5,\\\\srv\\\n'),
    args: ['a.csv', '--escape', '\\', '--escape-in', 'quotes'],
    items: [
      ['1', { t: 'say "hi"' }],
      ['2', { t: 'a\\b,' }],
      ['3', { t: 'C:\\dir' }],
      ['4', { t: '\\N' }],
      ['5', { t: '\\\\srv\\' }],
    ],
  },
  {
    title: '--columns with too few names: the advice leaves out no row',
    ...csv('a,1,x\nb,2,y\n'),
    args: ['a.csv', '--columns', 'id,n'],
    items: [],
    refused: [
      [
        'line 1',
        'the row has 3 values, --columns 2; if every row has this many, name all columns with --columns',
      ],
      ['line 2', 'the row has 3 values, --columns 2; a value that contains the delimiter'],
    ],
    lacks: '--skip-lines',
  },
  {
    title: '--columns with a name twice: it is the flag that has it',
    ...csv('a,1\n'),
    args: ['a.csv', '--columns', 'id,id'],
    items: [],
    refused: [['line 1, id', '--columns has this name twice']],
    lacks: 'header',
  },
  {
    title: '--columns without the column of the ids',
    ...csv('a,1\n'),
    args: ['a.csv', '--columns', 'name,n'],
    items: [],
    refused: [['line 1, id', '--columns has no such column; it has "name", "n"; name the id column']],
    lacks: 'header',
  },
  {
    title: 'a priority that no double has: the digits that were written',
    ...csv('id,p\na,9007199254740993\nb,-99999999999999999999\nc,5\n'),
    args: ['a.csv', '--priority-column', 'p'],
    items: [['c', {}]],
    refused: [
      ['line 2, p', 'the priority must be an integer within ±2147483647; got 9007199254740993'],
      ['line 3, p', 'got -99999999999999999999'],
    ],
  },
  ...(['le', 'be'] as const).map((order) => ({
    title: `UTF-32, ${order}`,
    files: { 'a.csv': utf32('id,t\na,1\n', order) },
    args: ['a.csv'],
    items: [],
    refused: [
      ['line 1', `UTF-32: convert it first, with iconv -f UTF-32${order.toUpperCase()} -t UTF-8`] as const,
    ],
  })),
  {
    title: '--path to an object where a list is meant, and to elements without the field',
    ...json(
      '{"g":[{"items":{"a":"x","id":"y"}},{"items":[{"id":"1"}]},{},{"items":null},[1],"z",{"items":[]},{"items":{"k":{"id":"2"}}}]}',
    ),
    args: ['a.json', '--path', '$.g[*].items[*]'],
    items: [
      ['1', { id: '1' }],
      ['2', { id: '2' }],
    ],
    refused: [
      ['line 1, element 1, byte 20', 'items is an object, not a list'],
      ['line 1, element 2, byte 29', 'items is an object, not a list'],
    ],
    conveniences: { pathsToNothing: 4 },
  },
  {
    title: 'a backslash in and out of quotes, as Python and pandas write it',
    ...csv('id,t,u\n1,C:\\\\tmp\\\\new,a\\"b\n2,"x\\",\\\\",\\"\n3,a\\,b,\\N\n4,C:\\new,\n5,a\\.b,\n'),
    args: ['a.csv', '--escape', '\\', '--escape-in', 'everywhere'],
    items: [
      ['1', { t: 'C:\\tmp\\new', u: 'a"b' }],
      ['2', { t: 'x",\\', u: '"' }],
      ['3', { t: 'a,b', u: null }],
    ],
    refused: [
      ['line 5', 'never escaped'],
      ['line 6', 'never escaped'],
    ],
  },
  {
    title: 'a backslash outside of quotes that may count or not refuses the row',
    ...csv('id,t,u\n1,C:\\\\tmp,\n2,a\\"b,\n3,a\\,b\n4,\\N,\n5,,a\\\n6,C:\\dir,\n7,"a\\\\b",\n'),
    args: ['a.csv', '--escape', '\\'],
    items: [
      ['6', { t: 'C:\\dir', u: '' }],
      ['7', { t: 'a\\b', u: '' }],
    ],
    refused: [2, 3, 4, 5, 6].map((line) => [`line ${line}`, 'use --escape-in quotes'] as const),
  },
  {
    title: 'a backslash everywhere, as MySQL writes it',
    ...tsv('id\tt\tu\n1\ta\\tb\t\\N\n2\tx\\\ny\tz\\\\\n3\t\\0\t\\\t\n'),
    args: ['a.tsv', '--escape', '\\'],
    items: [
      ['1', { t: 'a\tb', u: null }],
      ['2', { t: 'x\ny', u: 'z\\' }],
      ['3', { t: '\0', u: '\t' }],
    ],
    conveniences: { rowsOverLines: 1 },
  },
  {
    title: 'an escape before a letter that is never escaped refuses the row',
    ...tsv('id\tt\n1\tC:\\dir\n2\tb\n'),
    args: ['a.tsv', '--escape', '\\'],
    items: [['2', { t: 'b' }]],
    refused: [['line 2', 'the escape character is before a character that is never escaped']],
  },
  {
    title: 'a value that means null, unless it is quoted',
    ...csv('id,t\n1,NULL\n2,"NULL"\nNULL,a\n"NULL",b\n'),
    args: ['a.csv', '--null-value', 'NULL'],
    items: [
      ['1', { t: null }],
      ['2', { t: 'NULL' }],
      ['NULL', { t: 'b' }],
    ],
    refused: [['line 4, id', 'id must not be empty']],
  },
]

const SPREADSHEETS: readonly ManifestRow[] = [
  {
    title: 'CR line ends',
    ...csv('id,t\r1,a\r2,"b\rc"\r'),
    args: ['a.csv'],
    items: [
      ['1', { t: 'a' }],
      ['2', { t: 'b\rc' }],
    ],
    conveniences: { carriageReturnFiles: 1, rowsOverLines: 1 },
  },
  {
    title: 'UTF-16, little-endian',
    ...tsv(''),
    files: { 'a.tsv': utf16('id\tt\r\n1\tÄ😀\r\n', 'le') },
    args: ['a.tsv'],
    items: [['1', { t: 'Ä😀' }]],
    conveniences: { utf16: 1 },
  },
  {
    title: 'UTF-16, big-endian, packed',
    files: { 'a.csv.gz': gzipSync(utf16('id,t\n1,ä\n', 'be')) },
    args: ['a.csv.gz'],
    items: [['1', { t: 'ä' }]],
    conveniences: { utf16: 1 },
  },
  {
    title: 'UTF-16 with a surrogate without its partner refuses its row',
    files: {
      'a.csv': Buffer.concat([
        utf16('id,t\n1,', 'le'),
        Buffer.from([0x00, 0xd8, 0x0a, 0]),
        Buffer.from('2,b\n', 'utf16le'),
      ]),
    },
    args: ['a.csv'],
    items: [['2', { t: 'b' }]],
    refused: [['line 2, t', 'not valid UTF-8']],
    conveniences: { utf16: 1 },
  },
  {
    title: 'UTF-16 that nothing tells',
    files: { 'a.csv': Buffer.from('id,t\n1,a\n', 'utf16le') },
    args: ['a.csv'],
    items: [],
    refused: [['line 1', 'UTF-16 without a byte order mark']],
  },
  {
    title: 'a byte order mark of UTF-8',
    ...csv('\uFEFFid,t\n1,a\n'),
    args: ['a.csv'],
    items: [['1', { t: 'a' }]],
    conveniences: { byteOrderMarks: 1 },
  },
  {
    title: 'semicolons: the flag is named',
    ...csv('id;t\n1;a\n'),
    args: ['a.csv'],
    items: [],
    refused: [['line 1', 'use --delimiter ";"']],
  },
  {
    title: 'semicolons with the flag',
    ...csv('id;t\n1;a,b\n'),
    args: ['a.csv', '--delimiter', ';'],
    items: [['1', { t: 'a,b' }]],
  },
  {
    title: 'tabs in a .csv: the flag is named, with ids from the rows too',
    ...csv('id\tt\n1\ta\n'),
    args: ['a.csv', ...ROW],
    items: [],
    refused: [['line 1', 'use --delimiter tab']],
  },
  {
    title: 'sep=',
    ...csv('sep=;\r\nid;t\r\n1;"a;b"\r\n'),
    args: ['a.csv'],
    items: [['1', { t: 'a;b' }]],
    conveniences: { separatorLines: 1 },
  },
  {
    title: 'sep= against --delimiter',
    ...csv('sep=;\nid;t\n1;a\n'),
    args: ['a.csv', '--delimiter', ','],
    items: [],
    refused: [['line 1', 'the file declares the delimiter ";"']],
  },
  {
    title:
      'fewer delimiters at the end of a row than blank columns in the header, as Excel writes after 16 rows',
    ...csv('id,t,,\n1,a,,\n2,b\n'),
    args: ['a.csv'],
    items: [
      ['1', { t: 'a' }],
      ['2', { t: 'b' }],
    ],
    conveniences: { blankColumns: 2 },
  },
  {
    title: 'a value in a column without a name',
    ...csv('id,t,,\n1,a,x,\n2,b,"",\n3,c,,\n'),
    args: ['a.csv'],
    items: [['3', { t: 'c' }]],
    refused: [
      ['line 2', 'a value in column 3, which has no name'],
      ['line 3', 'a value in column 3, which has no name'],
    ],
    conveniences: { blankColumns: 2 },
  },
  {
    title: 'rows of delimiters: at the end they are blank, before another row they lack an id',
    ...csv('id,t\n1,a\n,\n2,b\n,\n,\n'),
    args: ['a.csv'],
    items: [
      ['1', { t: 'a' }],
      ['2', { t: 'b' }],
    ],
    refused: [['line 3, id', 'id must not be empty']],
    conveniences: { blankRows: 2 },
  },
  {
    title: 'rows of delimiters are rows where ids come from the rows',
    ...csv('t,u\n,\na,b\n,\n'),
    args: ['a.csv', ...ROW],
    items: [
      ['a.csv:1', { t: '', u: '' }],
      ['a.csv:2', { t: 'a', u: 'b' }],
      ['a.csv:3', { t: '', u: '' }],
    ],
  },
  {
    title: 'blanks around a column name: the flags are named',
    ...csv('id, t\n1, a\n'),
    args: ['a.csv'],
    items: [],
    refused: [['line 1,  t', 'use --header-blanks trim']],
  },
  {
    title: 'blanks around column names dropped, values never',
    ...csv('id , t," u "\n1, a,b\n'),
    args: ['a.csv', '--header-blanks', 'trim'],
    items: [['1', { t: ' a', ' u ': 'b' }]],
    conveniences: { trimmedNames: 2 },
  },
  {
    title: 'blanks around column names kept',
    ...csv('id, t\n1, a\n'),
    args: ['a.csv', '--header-blanks', 'keep'],
    items: [['1', { ' t': ' a' }]],
  },
  {
    title: 'lines that may be comments are refused, and the flags named',
    ...csv('id,t\n1,a\n#2,b\n3,c\n'),
    args: ['a.csv'],
    items: [
      ['1', { t: 'a' }],
      ['3', { t: 'c' }],
    ],
    refused: [['line 3', 'use --comment "#" to skip such lines, or --comment none']],
  },
  {
    title: 'comment lines, not within quotes',
    ...csv('# written manually\nid,t\n#1,a\n2,"b\n#c"\n'),
    args: ['a.csv', '--comment', '#'],
    items: [['2', { t: 'b\n#c' }]],
    conveniences: { commentLines: 2, rowsOverLines: 1 },
  },
  {
    title: 'no comment lines',
    ...csv('#id,t\n#1,a\n'),
    args: ['a.csv', '--comment', 'none', '--id-column', '#id'],
    items: [['#1', { t: 'a' }]],
  },
  {
    title: 'a header that may be a comment',
    ...csv('#id,t\n1,a\n'),
    args: ['a.csv'],
    items: [],
    refused: [['line 1', 'the line begins with #']],
  },
  {
    title: 'the header again, with the byte order mark of the second file',
    ...csv('id,t\n1,a\nid,t\n2,b\n\uFEFFid,t\n'),
    args: ['a.csv'],
    items: [
      ['1', { t: 'a' }],
      ['2', { t: 'b' }],
    ],
    refused: [
      ['line 3', 'a repeated header'],
      ['line 5', 'a repeated header'],
    ],
  },
  {
    title: 'the header again is an item where it is said to be one',
    ...csv('id,t\n1,a\nid,t\n'),
    args: ['a.csv', '--keep-header-rows'],
    items: [
      ['1', { t: 'a' }],
      ['id', { t: 't' }],
    ],
  },
  {
    title: 'a header and no row',
    ...csv('id,t\n'),
    args: ['a.csv'],
    items: [],
    refused: [['line 1', 'a header and no row']],
  },
  {
    title: 'a header and blank rows',
    ...csv('id,t\n\n,\n'),
    args: ['a.csv'],
    items: [],
    refused: [['line 1', 'a header and no row']],
    conveniences: { blankRows: 2 },
  },
  {
    title: 'an empty CSV',
    ...csv(''),
    args: ['a.csv'],
    items: [],
    refused: [['line 1', 'the file is empty']],
  },
  {
    title:
      'an empty line in a table of two columns is blank; one empty quoted value is a row that lacks a column',
    ...csv('id,t\n1,a\n\n""\n2,b\n'),
    args: ['a.csv'],
    items: [
      ['1', { t: 'a' }],
      ['2', { t: 'b' }],
    ],
    refused: [['line 4, t', 'the column is missing']],
    conveniences: { blankRows: 1 },
  },
  {
    title: 'in a table of one column an empty line is a row, and so is an empty quoted value',
    ...csv('id\na\n\n""\nb\n'),
    args: ['a.csv'],
    items: [
      ['a', {}],
      ['b', {}],
    ],
    refused: [
      ['line 3, id', 'id must not be empty'],
      ['line 4, id', 'id must not be empty'],
    ],
  },
  {
    title: 'in a table of one column all rows have a number',
    ...csv('t\n\n""\na\n'),
    args: ['a.csv', ...ROW, '--blank', 'absent'],
    items: [
      ['a.csv:1', {}],
      ['a.csv:2', { t: '' }],
      ['a.csv:3', { t: 'a' }],
    ],
  },
  {
    title: 'CRLF after a first line with LF may belong to the value',
    ...csv('id,t\n1,a\r\n2,b\n'),
    args: ['a.csv'],
    items: [['2', { t: 'b' }]],
    refused: [['line 2', 'use --line-ends any']],
  },
  {
    title: 'both line ends',
    ...csv('id,t\n1,a\r\n2,b\n'),
    args: ['a.csv', '--line-ends', 'any'],
    items: [
      ['1', { t: 'a' }],
      ['2', { t: 'b' }],
    ],
  },
  {
    title: 'a carriage return in an unquoted value',
    ...csv('id,t\n1,a\rb\n2,b\n'),
    args: ['a.csv'],
    items: [['2', { t: 'b' }]],
    refused: [['line 2', 'a carriage return; use --line-ends lf']],
  },
  {
    title: 'line feeds in unquoted values of a file with CRLF',
    ...csv('id,t\r\n1,a\nb\r\n2,b\r\n'),
    args: ['a.csv', '--line-ends', 'crlf'],
    items: [
      ['1', { t: 'a\nb' }],
      ['2', { t: 'b' }],
    ],
  },
  {
    title: 'a column twice',
    ...csv('id,t,t\n1,a,b\n'),
    args: ['a.csv'],
    items: [],
    refused: [['line 1, t', 'this column twice']],
  },
  {
    title: 'rows with too few and too many values',
    ...csv('id,t\n1\n2,b,c\n3,d\n'),
    args: ['a.csv'],
    items: [['3', { t: 'd' }]],
    refused: [
      ['line 2, t', 'the column is missing: the row has 1 value, the header 2'],
      ['line 3', 'the row has 3 values, the header 2'],
    ],
  },
  {
    title: 'bytes that are no UTF-8 refuse their row, with the column',
    files: {
      'a.csv': Buffer.concat([Buffer.from('id,t\n1,caf'), Buffer.from([0xe9]), Buffer.from('\n2,b\n')]),
    },
    args: ['a.csv'],
    items: [['2', { t: 'b' }]],
    refused: [['line 2, t', 'not valid UTF-8']],
  },
]

const VALUES: readonly ManifestRow[] = [
  {
    title: '--typed changes no value: what a double does not have stays text, and so does what is quoted',
    ...csv(
      'id,a,b,c,d,e,f,g,h\n1,1,-2.5e3,true,null,007,9007199254740993,-0,4.9e-325\n2,"1","true",0.1,0.1000000000000000055,1e400,,"",x\n',
    ),
    args: ['a.csv', '--typed'],
    items: [
      ['1', { a: 1, b: '-2.5e3', c: true, d: null, e: '007', f: '9007199254740993', g: '-0', h: '4.9e-325' }],
      ['2', { a: '1', b: 'true', c: 0.1, d: '0.1000000000000000055', e: '1e400', f: '', g: '', h: 'x' }],
    ],
    conveniences: { numbersAsText: 7 },
  },
  {
    title: '--blank absent: nothing between delimiters is no field, an empty quoted value is one',
    ...csv('id,a,b\n1,,""\n2,x,\n'),
    args: ['a.csv', '--blank', 'absent'],
    items: [
      ['1', { b: '' }],
      ['2', { a: 'x' }],
    ],
  },
  {
    title: '--blank empty is the default',
    ...csv('id,a,b\n1,,""\n'),
    args: ['a.csv', '--blank', 'empty'],
    items: [['1', { a: '', b: '' }]],
  },
  {
    title: 'numbers that are exact, a key that comes twice, -0, and what is too large',
    ...jsonl(
      '{"id":"a","body":[0.1,1.0,1e3]}\n{"id":"b","body":{"x":1,"x":2}}\n{"id":"c","body":-0}\n{"id":"d","body":{"n":[1e400]}}\n{"id":"e","id":"f","body":1}\n',
    ),
    args: ['a.jsonl'],
    items: [['a', [0.1, 1, 1000]]],
    refused: [
      ['line 2, $.body.x', 'the key comes twice'],
      ['line 3, $.body', '-0 would come back as 0: write 0'],
      ['line 4, $.body.n[0]', 'a 64-bit float cannot hold this number'],
      ['line 5, $.id', 'the key comes twice'],
    ],
  },
  {
    title: 'NUL in a body is legal, in an id it is not',
    ...jsonl('{"id":"a","body":"x\\u0000y"}\n{"id":"b\\u0000","body":1}\n'),
    args: ['a.jsonl'],
    items: [['a', 'x\0y']],
    refused: [['line 2, id', 'id must not contain the NUL character']],
  },
  {
    title: 'JSON lines that are no UTF-8',
    files: {
      'a.jsonl': Buffer.concat([
        Buffer.from('{"id":"a","body":1}\n{"id":"'),
        Buffer.from([0xff]),
        Buffer.from('","body":1}\n'),
      ]),
    },
    args: ['a.jsonl'],
    items: [['a', 1]],
    refused: [['line 2', 'not valid UTF-8']],
  },
]

const JSON_FORMS: readonly ManifestRow[] = [
  {
    title: 'an array on one line',
    ...json('[{"id":"a","body":1},{"id":"b","body":2}]'),
    args: ['a.json'],
    items: [],
    refused: [
      ['line 1', "--path '$[*]' to read it unchanged, or convert it: jq -c '.[]' a.json | sluice load -"],
    ],
  },
  {
    title: 'an array over lines, by --path',
    ...json(
      '[\n {"id":"a","body":{"n":1.50}},\n {"id":"b","body":{"n":9007199254740993}},\n {"id":"c","body":"]}"}\n]\n',
    ),
    args: ['a.json', '--path', '$[*]'],
    items: [
      ['a', { n: 1.5 }],
      ['c', ']}'],
    ],
    refused: [['line 3, element 2, byte 34, id b, $.body.n', 'a 64-bit float cannot hold this number']],
  },
  {
    title: 'a document like those of COCO, spread over lines',
    ...json(
      '{\n  "info": {"year": 2024},\n  "licenses": [{"id": 1}],\n  "images": [\n    {"id": 7, "file_name": "a.jpg"},\n    {"id": 8, "file_name": "b.jpg"}\n  ],\n  "annotations": []\n}\n',
    ),
    args: ['a.json'],
    items: [],
    refused: [['line 1', "--path '$.images[*]'"]],
  },
  {
    title: 'the images of such a document, by --path',
    ...json(
      '{"images": [{"id": 7, "file_name": "a.jpg"}, {"id": 8.0, "file_name": "b.jpg"}], "annotations": [{"id": 1}]}',
    ),
    args: ['a.json', '--path', '$.images[*]'],
    items: [
      ['7', { id: 7, file_name: 'a.jpg' }],
      ['8.0', { id: 8, file_name: 'b.jpg' }],
    ],
  },
  {
    title: 'a document on one line that has no id is no item',
    ...json('{"type":"FeatureCollection","features":[{"id":"a"},{"id":"b"}]}'),
    args: ['a.json', ...ROW],
    items: [],
    refused: [['line 1', "--path '$.features[*]'"]],
  },
  {
    title: 'a document on one line without an id, in a file of any name',
    ...jsonl('{"info":{},"images":[{"id":1,"file_name":"a.jpg"}],"annotations":[{"id":1}]}\n'),
    args: ['a.jsonl'],
    items: [],
    refused: [['line 1', "jq -c '.images[]' a.jsonl | sluice load -"]],
  },
  {
    title: 'a FeatureCollection that has an id',
    stdin: '{"type": "FeatureCollection", "id": "x", "features": [{"id": "a"}]}\n',
    args: ['-'],
    items: [],
    refused: [['line 1', "jq -c '.features[]' | sluice load -"]],
  },
  {
    title: 'an item that has a list of objects is an item',
    stdin: '{"id":"a","files":[{"n":1}]}\n',
    args: ['-'],
    items: [['a', { id: 'a', files: [{ n: 1 }] }]],
  },
  {
    title: 'objects over several lines each',
    ...jsonl('{\n "id": "a",\n "body": 1\n}\n{\n "id": "b",\n "body": 2\n}\n'),
    args: ['a.jsonl'],
    items: [],
    refused: [
      ['line 1', "--path '$' to read it unchanged, or convert it: jq -c '.' a.jsonl | sluice load -"],
    ],
  },
  {
    title: 'objects over several lines each, by --path',
    ...jsonl('{\n "id": "a",\n "body": 1\n}\n{\n "id": "b",\n "body": 2\n}\n'),
    args: ['a.jsonl', '--path', '$'],
    items: [
      ['a', 1],
      ['b', 2],
    ],
  },
  {
    title: 'a list of strings is a list, too',
    ...json('{"urls": [\n "u1",\n "u2"\n]}'),
    args: ['a.json'],
    items: [],
    refused: [['line 1', "--path '$.urls[*]'"]],
  },
  {
    title: 'a list of strings, by --path and with ids of the rows',
    ...json('{"urls": [\n "u1",\n "u2"\n]}'),
    args: ['a.json', '--path', '$.urls[*]', ...ROW],
    items: [
      ['a.json:1', 'u1'],
      ['a.json:2', 'u2'],
    ],
  },
  {
    title: 'a path that leads to a list with nothing in it: no mistake, as an empty list in other forms',
    ...json('{"type":"FeatureCollection","features":[]}'),
    args: ['a.json', '--path', '$.features[*]'],
    items: [],
  },
  {
    title: 'a document that is an empty list',
    ...json('[]'),
    args: ['a.json', '--path', '$[*]'],
    items: [],
  },
  {
    title: 'a path that matches nothing',
    ...json('{"features":[]}'),
    args: ['a.json', '--path', '$.images[*]'],
    items: [],
    refused: [['line 1', 'the path $.images[*] matches nothing']],
  },
  {
    title: 'a truncated document: its complete elements are stored',
    ...json('{"features":[\n{"id":"a","body":1},\n{"id":"b","bo'),
    args: ['a.json', '--path', '$.features[*]'],
    items: [['a', 1]],
    refused: [['line 3, byte 48', 'the document is incomplete']],
  },
  {
    title: 'the key of the path twice',
    ...json('{"f":[{"id":"a","body":1}],"f":[{"id":"b","body":1}]}'),
    args: ['a.json', '--path', '$.f[*]'],
    items: [['a', 1]],
    refused: [['line 1, byte 31', 'the key "f" comes twice']],
  },
  {
    title: 'a path that is none',
    ...json('[]'),
    args: ['a.json', '--path', 'features'],
    items: [],
    code: 2,
    error: '--path features is not a path',
  },
  {
    title: 'bodies with ids of their own: the first object decides',
    ...jsonl('{"id":"a","url":"u"}\n{"id":7,"url":"v"}\n{"id":"b","body":1}\n{"url":"w"}\n'),
    args: ['a.jsonl'],
    items: [
      ['a', { id: 'a', url: 'u' }],
      ['7', { id: 7, url: 'v' }],
    ],
    refused: [
      ['line 3, body', 'the formats differ'],
      ['line 4, id', 'the field is missing'],
    ],
  },
  {
    title: 'envelopes: a line without a body, and keys that are not known, in the first line too',
    ...jsonl(
      '{"id":"z","body":1,"url":"x"}\n{"id":"a","body":1}\n{"id":"b","url":"u"}\n{"id":"c","body":1,"prioritty":5}\n',
    ),
    args: ['a.jsonl'],
    items: [['a', 1]],
    refused: [
      ['line 1, url', 'unknown field beside id and body'],
      ['line 3, body', 'the formats differ'],
      ['line 4, prioritty', 'unknown field beside id and body'],
    ],
  },
  {
    title: '--id-field and --body-field say it outright',
    ...jsonl(
      '{"properties":{"id":"a"},"assets":[1],"id":"x"}\n{"properties":{"id":5},"assets":{}}\n{"properties":{}}\n{"properties":{"id":"b"}}\n',
    ),
    args: ['a.jsonl', '--id-field', 'properties.id', '--body-field', 'assets'],
    items: [
      ['a', [1]],
      ['5', {}],
    ],
    refused: [
      ['line 3, properties.id', 'the field is missing'],
      ['line 4, assets', 'the field is missing'],
    ],
  },
  {
    title: 'a number as an id is taken by its digits, as long as it is not in the body, too',
    ...jsonl('{"id":864691135012345679,"body":1}\n{"id":1.50,"body":{"n":1.0}}\n'),
    args: ['a.jsonl'],
    items: [
      ['864691135012345679', 1],
      ['1.50', { n: 1 }],
    ],
  },
  {
    title: 'a number as an id that the body could not hold',
    ...jsonl('{"root_id":864691135012345679,"n":1}\n{"root_id":12,"n":1}\n'),
    args: ['a.jsonl', '--id-field', 'root_id'],
    items: [['12', { root_id: 12, n: 1 }]],
    refused: [['line 1, $.root_id', 'a 64-bit float cannot hold this number']],
  },
  {
    title: 'ids of rows of JSON lines',
    ...jsonl('{"n":1}\n\nnot JSON\n{"n":2}\n'),
    args: ['a.jsonl', ...ROW],
    items: [
      ['a.jsonl:1', { n: 1 }],
      ['a.jsonl:3', { n: 2 }],
    ],
    refused: [['line 3', 'not JSON']],
    conveniences: { blankRows: 1 },
  },
]

const FORMS: readonly ManifestRow[] = [
  {
    title: 'standard input whose first line is JSON',
    stdin: '{"id":"a","body":1}\nplain\n',
    args: ['-'],
    items: [['a', 1]],
    refused: [['line 2', 'not JSON']],
  },
  {
    title: 'standard input whose first line is plain',
    stdin: 'x/a.tif\n{"id":"a","body":1}\nx/b.tif\n',
    args: ['-'],
    items: [
      ['x/a.tif', { line: 'x/a.tif' }],
      ['x/b.tif', { line: 'x/b.tif' }],
    ],
    refused: [['line 2', 'the line is JSON, and the first line is not']],
  },
  {
    title: 'standard input whose first line is a header',
    stdin: 'id,t\n1,a\n{"id":"a"}\n',
    args: ['-'],
    items: [['1', { t: 'a' }]],
    refused: [['line 3', 'an unquoted value contains a quote']],
  },
  {
    title: 'a first line that may be a header or an id',
    stdin: 'sample,url\na,b\n',
    args: ['-'],
    items: [],
    refused: [['line 1', 'use --format csv, tsv or lines']],
  },
  {
    title: '--format decides against the first line',
    stdin: '{"a"}\nid,t\n',
    args: ['-', '--format', 'lines'],
    items: [
      ['{"a"}', { line: '{"a"}' }],
      ['id,t', { line: 'id,t' }],
    ],
  },
  {
    title: 'a file that is no text, and a name that tells nothing',
    files: { 'a.parquet': Buffer.from('PAR1\u0015\0\u0015\nabc\n') },
    args: ['a.parquet'],
    items: [],
    refused: [['line 1', 'the file is Parquet: export it as JSON lines first']],
  },
  {
    title: 'names from find -print0 without -0',
    stdin: 'a\0b\0',
    args: ['-'],
    items: [],
    refused: [['line 1', 'use -0 if NUL ends its lines']],
  },
  {
    title: 'a file that another program packed',
    files: { 'a.csv.zst': Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x0a]) },
    args: ['a.csv.zst'],
    items: [],
    refused: [['line 1', 'decompress it with zstd -dc']],
  },
  {
    title: 'a file whose name tells nothing',
    files: { manifest: '{"id":"a","body":1}\n' },
    args: ['manifest'],
    items: [['a', 1]],
  },
  {
    title: 'plain lines are not trimmed; an empty line is blank',
    ...txt('a b \n\n  c\n'),
    args: ['a.txt'],
    items: [
      ['a b ', { line: 'a b ' }],
      ['  c', { line: '  c' }],
    ],
    conveniences: { blankRows: 1 },
  },
  {
    title: 'line feeds in lines that end with CRLF',
    stdin: 'a\nb\r\nc\r\nd\n',
    args: ['-', '--format', 'lines', '--line-ends', 'crlf'],
    items: [
      ['a\nb', { line: 'a\nb' }],
      ['c', { line: 'c' }],
      ['d\n', { line: 'd\n' }],
    ],
  },
  {
    title: 'a file name that ends with a carriage return',
    stdin: 'a\nIcon\r\nb\n',
    args: ['-', '--format', 'lines'],
    items: [
      ['a', { line: 'a' }],
      ['b', { line: 'b' }],
    ],
    refused: [['line 2', 'use --line-ends any']],
  },
  {
    title: 'find -print0: every name, one with a line end, too',
    stdin: 'a\0b\nc\r\0#d\0',
    args: ['-', '-0'],
    items: [
      ['a', { line: 'a' }],
      ['b\nc\r', { line: 'b\nc\r' }],
      ['#d', { line: '#d' }],
    ],
  },
  {
    title: 'find without -print0',
    stdin: 'a\nb\n',
    args: ['-', '-0'],
    items: [],
    refused: [['line 1', 'does not end with NUL']],
  },
  {
    title: 'columns separated by blanks, without a header',
    ...txt('a  1\t x\n b 2 y\n\nc 3\n'),
    args: ['a.txt', '--split', '--columns', 'id,n,t', '--typed'],
    items: [
      ['a', { n: 1, t: 'x' }],
      ['b', { n: 2, t: 'y' }],
    ],
    refused: [['line 4, t', 'the column is missing']],
    conveniences: { blankRows: 1 },
  },
  {
    title: 'a table without a header',
    ...csv('1,a,9\n2,b,8\n'),
    args: ['a.csv', '--columns', 'id,t,rank', '--priority-column', 'rank'],
    items: [
      ['1', { t: 'a' }],
      ['2', { t: 'b' }],
    ],
  },
  {
    title: 'names for a table that has a header',
    ...csv('id,t\n1,a\n'),
    args: ['a.csv', '--columns', 'id,t'],
    items: [['1', { t: 'a' }]],
    refused: [['line 1', 'a repeated header']],
  },
  {
    title: 'an id column that is not there',
    ...csv('name,t\n1,a\n'),
    args: ['a.csv', '--id-column', 'sample,t'],
    items: [],
    refused: [['line 1, sample', 'the header has no such column; it has "name", "t"']],
  },
  {
    title: 'several files, each with its own form and header',
    files: { 'a.csv': 'id,t\n1,a\n', 'b.jsonl': '{"id":"2","body":1}\nx\n', 'c.csv': 'id,u\n3,c\n' },
    args: ['a.csv', 'b.jsonl', 'c.csv'],
    items: [
      ['1', { t: 'a' }],
      ['2', 1],
      ['3', { u: 'c' }],
    ],
    refused: [['b.jsonl, line 2', 'not JSON']],
  },
  {
    title: 'a file that can not be read on stops only itself',
    files: { 'a.csv': 'id;t\n', 'b.csv': 'id,t\n1,a\n' },
    args: ['a.csv', 'b.csv'],
    items: [['1', { t: 'a' }]],
    refused: [['a.csv, line 1', 'use --delimiter']],
  },
  {
    title: 'ids of rows of two files with one base name',
    files: { 'x/a.csv': 't\n1\n', 'y/a.csv': 't\n2\n' },
    args: ['x/a.csv', 'y/a.csv', ...ROW],
    items: [],
    code: 2,
    error: 'both are named a.csv',
  },
  {
    title: 'ids of rows of standard input without a name',
    stdin: 'a\n',
    args: ['-', '--format', 'lines', ...ROW],
    items: [],
    code: 2,
    error: 'use --source-name NAME',
  },
  {
    title: 'ids of rows of standard input: an empty line of plain text is no row',
    stdin: 'a\n\nb\n',
    args: ['-', '--format', 'lines', ...ROW, '--source-name', 'tiles'],
    items: [
      ['tiles:1', { line: 'a' }],
      ['tiles:2', { line: 'b' }],
    ],
    conveniences: { blankRows: 1 },
  },
  {
    title: 'a flag of another form',
    ...jsonl('{"id":"a","body":1}\n'),
    args: ['a.jsonl', '--quote', 'none'],
    items: [],
    code: 2,
    error: '--quote needs --format csv or tsv; a.jsonl is read as jsonl',
  },
  { title: 'an empty list', ...jsonl(''), args: ['a.jsonl'], items: [], code: 0 },
  {
    title: 'a list of blank lines',
    ...txt('\n\n'),
    args: ['a.txt'],
    items: [],
    refused: [['line 1', 'no rows']],
    conveniences: { blankRows: 2 },
  },
]

/** Small inputs of every kind that lists of work come in. */
export const MANIFEST_TABLE: readonly ManifestRow[] = [
  ...SAMPLES,
  ...QUOTES,
  ...SPREADSHEETS,
  ...VALUES,
  ...JSON_FORMS,
  ...FORMS,
  ...MISTAKEN_INPUTS,
  ...PROGRAM_OUTPUTS,
]
