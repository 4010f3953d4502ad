/** Typical names of id columns, which are unlikely as ids or words of a list. */
const ID_NAME = /^(?:[\p{L}\d]+[ _.-])*(?:ids?|uuid|guid)$/iu
const CAMEL_ID_NAME = /^[a-z][A-Za-z0-9]*I[dD]$/u

/** Column names with which a list of words does not begin. */
const COLUMN_NAMES: ReadonlySet<string> = new Set(
  'sample sample_name barcode accession run_accession filename file_name filepath file_path s3_uri s3_url image_url'.split(
    ' ',
  ),
)

/** Column names that are also words. */
const COLUMN_WORDS: ReadonlySet<string> = new Set(
  'file files path paths name names url urls uri key item items image line object run scene tile samples value'.split(
    ' ',
  ),
)

/** Characters of values that column names do not have. */
const OF_A_VALUE = /[\d/\\.:_-]/u

const DELIMITERS = ['\t', ',', ';', '|'] as const

const NAME = /^[\p{L}_#][\p{L}\p{N} _.()[\]%#-]{0,40}$/u

/** Whether a line of a list is a column name: `maybe` where the next line decides. */
export function isColumnName(line: string): boolean | 'maybe' {
  const name = unquoted(line)
  if (isIdName(name) || COLUMN_NAMES.has(name.toLowerCase())) return true
  return COLUMN_WORDS.has(name.toLowerCase()) ? 'maybe' : false
}

/** Whether the line after a possible column name is a value. */
export function isValue(line: string): boolean {
  return OF_A_VALUE.test(line)
}

/**
 * The delimiter of a line that is likely a table header: every cell may be a name, and one is a typical
 * column name.
 */
export function headerDelimiter(line: string): (typeof DELIMITERS)[number] | undefined {
  return DELIMITERS.find((delimiter) => {
    const cells = line.split(delimiter).map((cell) => unquoted(delimiter === '|' ? cell.trim() : cell))
    if (cells.length < 2 || !cells.every((cell) => cell === '' || NAME.test(cell))) return false
    return cells.some((cell) => isIdName(cell) || COLUMN_NAMES.has(cell) || COLUMN_WORDS.has(cell))
  })
}

/** Whether a text is likely a column name and not a value, so that a message may repeat it. */
export function isName(text: string): boolean {
  return NAME.test(text)
}

function isIdName(name: string): boolean {
  return ID_NAME.test(name) || CAMEL_ID_NAME.test(name)
}

function unquoted(cell: string): string {
  return /^"[^"]*"$/u.test(cell) ? cell.slice(1, -1) : cell
}

/** The row count below a table of psql. */
export function isPsqlFooter(line: string): boolean {
  return /^\(\d+ rows?\)$/u.test(line)
}

export const PSQL_FOOTER =
  'the line seems to be the footer of a psql table: export the list with psql --csv, or -At without names'

const PERMISSIONS = /^[-dlbcps][-rwxsStT]{9}[.+@]?\s/u
const S3_OBJECT = /^\s*(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +\d+ |PRE )/u

/** Detects a file listing instead of a list of names; `maybe` while the next line is needed. */
export function listingFault(
  line: string,
  second: string | undefined,
): { readonly reason: string } | 'maybe' | undefined {
  if (S3_OBJECT.test(line)) return { reason: S3_LISTING }
  if (PERMISSIONS.test(line)) return { reason: LISTING }
  if (!/^total \d+/u.test(line)) return undefined
  if (second === undefined) return 'maybe'
  return PERMISSIONS.test(second) ? { reason: LISTING } : undefined
}

const LISTING =
  'the file is the output of ls -l: list only the names, with ls -1 or find, or use --format lines if every line is an item'
const S3_LISTING =
  "the file is the output of aws s3 ls: list only the keys, with aws s3api list-objects-v2 --query 'Contents[].[Key]' --output text, or use --format lines if every line is an item"
