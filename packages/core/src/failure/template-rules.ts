/**
 * Stands for an item's id while a line is rewritten: a noncharacter of Unicode, which no text has once it was
 * cleaned.
 */
export const ID_MARK = '\uFDD0'

/** Where a match may begin: at the first letter or digit of a word, or anywhere. */
type Beginning = 'letter' | 'digit' | 'word' | 'anywhere'

/** One kind of text within a failure's line. */
export interface TemplateRule {
  /** What it is for, in the words of the documentation. */
  readonly about: string
  readonly at: Beginning
  /** It applies only to words with a digit or a sign such as `/` in them, which most words have not. */
  readonly signed?: boolean
  /** The source of a regular expression without capturing groups. */
  readonly source: string
  /** What replaces a match. Absent: it is kept as it is, so that the later rules don't see it. */
  readonly replace?: string | ((match: string) => string)
}

/** A word in lower case, capitalised, or in capitals: without the flag `i`, which would blur identifiers. */
function word(...words: readonly string[]): string {
  const forms = words.flatMap((one) => [one, one.charAt(0).toUpperCase() + one.slice(1), one.toUpperCase()])
  return `(?:${forms.join('|')})`
}

const END = '(?![A-Za-z0-9])'
const SPACE = '[ _-]?'
const SEPARATOR = String.raw`[\s:=("'#]{0,3}`

const EXIT_CODE =
  `${word('exit')}(?:ed)?(?: with)?(?: an?)?(?: non-?zero)?${SPACE}(?:exit )?` +
  `(?:(?:${word('error')} )?${word('code', 'status', 'value')})?(?: of| was| is)?${SEPARATOR}-?\\d{1,10}${END}`
const CODE =
  `(?:${word('return', 'result', 'error', 'response', 'status', 'system')}${SPACE})?` +
  `(?:${word('code', 'status', 'errno', 'signal', 'rc')}|SQLSTATE|SQL state|SqlState)(?: of| was| is)?${SEPARATOR}-?\\d[0-9A-Z]{0,4}${END}`
const ERROR_NUMBER = `${word('error')}(?:[ #]\\(?|\\()-?\\d{1,5}${END}(?! [a-z]+s${END})`
const HTTP = `HTTPS?(?:/\\d(?:\\.\\d)?)?(?: ${word('error', 'status', 'code', 'response')}){0,2}${SEPARATOR}[1-5]\\d\\d${END}`
const ANSWERED =
  `${word('response', 'returned', 'received', 'got', 'responded', 'answered')}(?: (?:with|status|code|a|an|error|http|HTTP)){0,3}` +
  `[ :=]{1,2}[1-5]\\d\\d${END}(?! [a-z]+s${END})`
const REASON_PHRASES =
  'OK|Bad|Unauthorized|Payment|Forbidden|Not|Method|Proxy|Request|Conflict|Gone|Length|Precondition|Payload|Content|URI|Unsupported|' +
  'Range|Requested|Expectation|Misdirected|Unprocessable|Locked|Failed|Too|Unavailable|Client|Internal|Server|Service|Gateway|Insufficient|Slow'
const WITH_PHRASE = `[1-5]\\d\\d[ :-]{1,3}(?:${REASON_PHRASES})${END}`
const OCCURRED = `occurred \\([1-5]\\d\\d\\)`
const VENDOR = `(?:ORA|PLS|TNS|DB2|RMAN|SQL)-?\\d{3,5}[A-Z]?${END}`

/** Names of types, encodings, architectures and libraries that have digits of their own. */
const NAMES =
  `(?:u?int(?:8|16|32|64)|[Ff]loat(?:16|32|64)|complex(?:64|128)|UTF-?(?:8|16|32)|utf-?(?:8|16|32)|[Ss][Hh][Aa]-?(?:1|224|256|384|512)|` +
  `[Mm][Dd]5|base(?:16|32|64)|x86(?:_64)?|amd64|arm64|aarch64|win32|linux64|[iuf](?:8|16|32|64)|S3|s3|EC2|ec2|IPv[46]|HTTP/[1-3](?:\\.\\d)?|TLSv?1(?:\\.\\d)?|` +
  `[Pp]ython[23](?:\\.\\d{1,2})?|sqlite3|boto3|urllib3|psycopg[23]?|hdf5|HDF5|h5py|NetCDF4|netcdf4|[Bb]zip2|log4j2?|` +
  `cp1252|cp437|iso-?8859-1|ISO-?8859-1|latin-?1)${END}`

/** As in `AmazonS3Exception`, `Py4JJavaError`. */
const EXCEPTION = '[\\w$.]{1,200}(?:Error|Exception)(?![A-Za-z0-9])'

const HEX_LOWER = `(?=[a-f]{0,127}\\d)(?=\\d{0,127}[a-f])[0-9a-f]{7,128}${END}`
const HEX_UPPER = `(?=[A-F]{0,127}\\d)(?=\\d{0,127}[A-F])[0-9A-F]{8,128}${END}`

const MONTHS = '(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}'
const DAYS = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6}'
const CLOCK = String.raw`\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,9})?)?`
const ZONE = String.raw`(?: ?(?:Z|UTC|GMT|CES?T|E[SD]T|P[SD]T|[+-]\d\d:?\d\d))`
const ISO_DATE = `\\d{4}[-/]\\d\\d[-/]\\d\\d(?:[T _]${CLOCK}${ZONE}?)?(?!\\d)`
const NAMED_DATE = `(?:${DAYS},? )?(?:${MONTHS} {1,2}\\d{1,2}|\\d{1,2} ${MONTHS})(?:,? \\d{4})?(?:,? ${CLOCK}${ZONE}?)?(?: \\d{4})?(?![0-9A-Za-z:])`
const DATE = [
  ISO_DATE,
  `\\d{1,2}[/.]\\d{1,2}[/.]\\d{4}(?: ${CLOCK})?(?!\\d)`,
  `\\d{1,2}/${MONTHS}/\\d{4}:${CLOCK}(?: [+-]\\d{4})?(?!\\d)`,
  `\\d{1,2} ${MONTHS},? \\d{4}(?:,? ${CLOCK}${ZONE}?)?(?![0-9A-Za-z:])`,
].join('|')
const TIME = `(?<![:.])\\d{1,2}:\\d\\d:\\d\\d(?:[.,]\\d{1,9})?(?![\\d:])`

const UNIT = '(?:ns|us|µs|μs|ms|s|m|h|d)'
const LONG_UNIT =
  '(?:(?:nano|micro|milli)?sec(?:ond)?s?|min(?:ute)?s?|hours?|hrs?|days?|weeks?|ns|us|µs|μs|ms|s)'
const DURATION =
  `(?<![_.])(?:(?:\\d+(?:\\.\\d+)?${UNIT}){1,6}${END}|\\d+(?:[.,]\\d+)?[ -]${LONG_UNIT}${END}|` +
  `\\d+(?:[.,]\\d+)?${LONG_UNIT}${END})`
const SIZE =
  `(?<![_.])(?:\\d+(?:\\.\\d+)?(?:[KkMGTP]i?B?|B|[Bb]ytes?)${END}|` +
  `\\d+(?:[.,]\\d+)* (?:[KkMGTP]i?B|B|(?:kilo|mega|giga)?bytes?|Bytes?)${END})`

const IPV4 = String.raw`(?:\d{1,3}\.){3}\d{1,3}(?![\w.]{0,9}\d)`
const IPV6 =
  '(?:(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}|' +
  '(?=[a-fA-F:]{0,16}\\d)(?:[0-9a-fA-F]{1,4}:){1,6}(?::[0-9a-fA-F]{1,4}){1,7})(?![\\w:])'
const INTERNAL_HOST = `ip(?:-\\d{1,3}){4}(?:\\.[a-z0-9-]{1,63}){0,6}${END}`

const UUID = `[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}${END}`
const URL = `[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\\s"'\`<>()\\[\\]{}|]{0,1999}[^\\s"'\`<>()\\[\\]{}|.,:;]`
const EMAIL = `[\\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\\.[A-Za-z0-9-]{1,63}){1,6}${END}`

const TOKEN_LABEL = String.raw`(?:[Rr]equest ?[Ii][Dd]|[Hh]ost ?[Ii][Dd]|[Tt]race ?[Ii][Dd]|request_id|trace_id|req(?:uest)?-id)`
const LABELLED_TOKEN = `${TOKEN_LABEL}[\\s:="']{1,3}[\\w+/-][\\w+/=-]{5,}`
const MIXED_TOKEN = `(?<![_+-])(?=[A-Za-z_+-]{0,127}\\d)(?=[A-Z0-9_+-]{0,127}[a-z])(?=[a-z0-9_+-]{0,127}[A-Z])[\\w+-]{24,}={0,2}(?![\\w+=-])`
const CAPITAL_TOKEN = `(?<![_-])(?=[A-Z]{0,127}\\d)(?=\\d{0,127}[A-Z])[A-Z0-9]{16,}(?![\\w-])`
/** As Kubernetes makes them: no vowels, and none of the digits that look like letters. */
const POD_SUFFIX =
  `(?<=[a-z0-9])(?:-(?=[a-z]{0,9}\\d)[bcdfghjklmnpqrstvwxz2456789]{8,10})?` +
  `-(?=[a-z]{0,4}\\d)(?=\\d{0,4}[a-z])[bcdfghjklmnpqrstvwxz2456789]{5}(?![\\w-])`

const DATA_FILE =
  '(?:bam|bai|sam|cram|crai|fastq|fq|fasta|fa|vcf|bcf|bed|gtf|gff3?|gz|bz2|xz|zst|zip|tar|tgz|7z|tiff?|png|jpe?g|gif|bmp|webp|svg|pdf|' +
  'mp3|mp4|wav|avi|mov|mkv|csv|tsv|txt|jsonl?|ndjson|xml|ya?ml|toml|parquet|orc|avro|arrow|feather|h5|hdf5?|nc|zarr|np[yz]|pkl|pickle|' +
  'ckpt|safetensors|onnx|las|laz|shp|geojson|gpkg|html?|docx?|xlsx?|pptx?)'
const ID = ID_MARK
const SEGMENTS = `[\\w./@%+=~#&${ID}-]`
const SEGMENT_END = `[\\w/@%+=~#&${ID}-]`
/** What is there for every item alike: which program or library is meant matters. */
const SYSTEM_PATH = `(?<![\\w./${ID}-])/(?:usr|bin|sbin|lib|lib64|etc|dev(?!/shm)|proc/(?:sys|meminfo|cpuinfo))/${SEGMENTS}{0,1999}${SEGMENT_END}`
const ABSOLUTE_PATH = `(?<![\\w./${ID}-])(?:~|\\.{1,2})?/(?:${SEGMENTS}{0,1999}${SEGMENT_END})`
const WINDOWS_PATH = `[A-Za-z]:\\\\[^\\s"'<>|]{0,1999}[^\\s"'<>|.,:;)\\]]`
const FRACTION = String.raw`(?<![_./])\d{1,15}/\d{1,15}(?![\w/])`
const BARE = `(?<![_./@%+=~#&${ID}-])`
const RELATIVE_PATH = `${BARE}[\\w.@%+=~#&${ID}-]{1,255}/${SEGMENTS}{0,1999}${SEGMENT_END}`
const FILE_NAME = `${BARE}[\\w@%+=~#&.${ID}-]{1,255}\\.${DATA_FILE}${END}`
const ID_PATH = `(?<![\\w./@%+=~#&${ID}-])${ID}(?:${SEGMENTS}{0,1999}/${SEGMENTS}{0,1999}${SEGMENT_END}|[\\w@%+=~#&.-]{0,255}\\.${DATA_FILE}${END})`
/** A word with a digit, or with a sign in it that no plain word has. */
const SIGNED = `[\\w.+@%~#&=${ID}-]{0,255}?(?:[\\d/\\\\@]|:[/\\\\\\da-fA-F]|\\.\\w)`

const HEX = `0x[0-9a-fA-F]{1,128}|${HEX_LOWER}|${HEX_UPPER}`

// A dash behind the item's id is no sign: Kubernetes ends names of pods with a hash behind one.
const NUMBER = String.raw`(?:(?<![\w.)\]>${ID_MARK}-])[-+])?\d+(?:[.,_]\d+)*(?:(?<=\d)[eE][-+]?\d+)?`

/** A path, unless it is only words, such as `and/or`, `application/json`, `org/apache/spark`. */
function relativePath(match: string): string {
  const isPath =
    /\d/u.test(match) || match.includes(ID_MARK) || new RegExp(`\\.${DATA_FILE}$`, 'u').test(match)
  return isPath ? '<path>' : match
}

function labelled(match: string): string {
  const at = match.search(/[\s:="']{1,3}[\w+/=-]*$/u)
  const separator = /^[\s:="']{1,3}/u.exec(match.slice(at))?.[0] ?? ' '
  return `${match.slice(0, at)}${separator}<token>`
}

/** The words between the angle brackets of what rules put in. */
export const PLACEHOLDER = '<(?:uuid|path|n|ip|host|url|email|date|time|duration|size|hex|id|token|suffix)>'

/** In the order in which they are tried where several could begin. */
export const TEMPLATE_RULES: readonly TemplateRule[] = [
  { about: 'what a rule put in', at: 'anywhere', source: PLACEHOLDER },
  { about: 'exit codes', at: 'letter', source: EXIT_CODE },
  { about: 'HTTP status codes', at: 'letter', source: [HTTP, ANSWERED, OCCURRED].join('|') },
  { about: 'HTTP status codes', at: 'digit', source: WITH_PHRASE },
  {
    about: 'signal numbers, errno, SQLSTATE and other codes',
    at: 'letter',
    source: [CODE, ERROR_NUMBER, VENDOR].join('|'),
  },
  { about: 'container images', at: 'letter', source: '[Ii]mage "[^"\\s]{1,255}"' },
  {
    about: 'a task of Nextflow, whose tag is a name of the input',
    at: 'letter',
    source: 'Process `[\\w:]{1,200} \\([^`]{1,200}\\)',
    replace: (match) => `${match.slice(0, match.indexOf(' (', 9))} (<id>)`,
  },
  { about: 'ids of requests and traces', at: 'letter', source: LABELLED_TOKEN, replace: labelled },
  { about: 'dates, with their time', at: 'letter', source: NAMED_DATE, replace: '<date>' },
  { about: 'programs and libraries of the system', at: 'anywhere', source: SYSTEM_PATH },
  { about: 'URLs, of objects too', at: 'letter', signed: true, source: URL, replace: '<url>' },
  { about: 'names that have digits', at: 'letter', signed: true, source: `${NAMES}|${EXCEPTION}` },
  { about: 'e-mail addresses', at: 'word', signed: true, source: EMAIL, replace: '<email>' },
  { about: 'UUIDs', at: 'word', signed: true, source: UUID, replace: '<uuid>' },
  { about: 'dates, with their time', at: 'digit', source: DATE, replace: '<date>' },
  { about: 'times of a day', at: 'digit', source: TIME, replace: '<time>' },
  {
    about: 'hosts named by their address',
    at: 'letter',
    signed: true,
    source: INTERNAL_HOST,
    replace: '<host>',
  },
  { about: 'IP addresses', at: 'digit', source: IPV4, replace: '<ip>' },
  { about: 'IP addresses', at: 'word', signed: true, source: IPV6, replace: '<ip>' },
  { about: 'shares of a whole', at: 'digit', source: FRACTION, replace: '<n>/<n>' },
  { about: 'files with an absolute path', at: 'anywhere', source: ABSOLUTE_PATH, replace: '<path>' },
  {
    about: 'files with an absolute path',
    at: 'letter',
    signed: true,
    source: WINDOWS_PATH,
    replace: '<path>',
  },
  {
    about: 'files with a relative path',
    at: 'word',
    signed: true,
    source: RELATIVE_PATH,
    replace: relativePath,
  },
  { about: 'files of data', at: 'word', signed: true, source: FILE_NAME, replace: '<path>' },
  { about: 'files named by the id', at: 'anywhere', source: ID_PATH, replace: '<path>' },
  { about: 'addresses and hashes', at: 'word', signed: true, source: HEX, replace: '<hex>' },
  {
    about: 'tokens',
    at: 'word',
    signed: true,
    source: `${MIXED_TOKEN}|${CAPITAL_TOKEN}`,
    replace: '<token>',
  },
  { about: 'endings of the names of pods', at: 'anywhere', source: POD_SUFFIX, replace: '-<suffix>' },
  { about: 'spans of time', at: 'digit', source: DURATION, replace: '<duration>' },
  { about: 'sizes', at: 'digit', source: SIZE, replace: '<size>' },
  { about: 'other numbers', at: 'anywhere', source: NUMBER, replace: '<n>' },
]

/** All rules as one expression, with a capturing group for each that says which rule it was. */
interface CompiledRules {
  readonly expression: RegExp
  /** By the number of the capturing group, from 0. */
  readonly rules: readonly TemplateRule[]
}

/**
 * The leftmost match wins, and of those that begin there the first rule. Most words are passed by after one
 * look at their beginning: the rules are sorted by what they begin with, and those that need a digit or a
 * sign are tried only on words that have one.
 */
function compile(): CompiledRules {
  const rules: TemplateRule[] = []
  const among = (wanted: (rule: TemplateRule) => boolean): string => {
    const chosen = TEMPLATE_RULES.filter((rule) => wanted(rule))
    rules.push(...chosen)
    return chosen.map(({ source }) => `(${source})`).join('|')
  }
  const atWord = (kind: 'letter' | 'digit', signed: boolean) => (rule: TemplateRule) =>
    (rule.at === kind || rule.at === 'word') && (rule.signed ?? false) === signed
  const letters = `${among(atWord('letter', false))}|(?=${SIGNED})(?:${among(atWord('letter', true))})`
  const digits = among((rule) => rule.at === 'digit' || rule.at === 'word')
  const anywhere = among((rule) => rule.at === 'anywhere')
  const source = `(?<![A-Za-z0-9])(?:(?=[A-Za-z])(?:${letters})|(?=\\d)(?:${digits}))|${anywhere}`
  return { expression: new RegExp(source, 'g'), rules }
}

export const COMPILED_RULES = compile()
