/** Names that a column of ids has, and hardly an id or a word of a list. */
const ID_NAME = /^(?:[\p{L}\d]+[ _.-])*(?:ids?|uuid|guid)$/iu
const CAMEL_ID_NAME = /^[a-z][A-Za-z0-9]*I[dD]$/u

/** Names of columns that a list of words does not begin with. */
const COLUMN_NAMES: ReadonlySet<string> = new Set(
  'sample sample_name barcode accession run_accession filename file_name filepath file_path s3_uri s3_url image_url'.split(
    ' ',
  ),
)

/** Names of columns that are words, too. */
const COLUMN_WORDS: ReadonlySet<string> = new Set(
  'file files path paths name names url urls uri key item items image line object run scene tile samples value'.split(
    ' ',
  ),
)

/** What an item has that the name of a column hasn't. */
const OF_A_VALUE = /[\d/\\.:_-]/u

const DELIMITERS = ['\t', ',', ';', '|'] as const

const NAME = /^[\p{L}_#][\p{L}\p{N} _.()[\]%#-]{0,40}$/u

/** Whether a line of a list is the name of a column: `maybe` where that is to be seen from the line after it. */
export function isColumnName(line: string): boolean | 'maybe' {
  const name = unquoted(line)
  if (isIdName(name) || COLUMN_NAMES.has(name.toLowerCase())) return true
  return COLUMN_WORDS.has(name.toLowerCase()) ? 'maybe' : false
}

/** Whether the line after a word that may be the name of a column is a value and no such word. */
export function isValue(line: string): boolean {
  return OF_A_VALUE.test(line)
}

/**
 * The delimiter of a line that is the header of a table for all that is known: every cell of it may be a name, and one is what columns of lists are
 * called.
 */
export function headerDelimiter(line: string): (typeof DELIMITERS)[number] | undefined {
  return DELIMITERS.find((delimiter) => {
    const cells = line.split(delimiter).map((cell) => unquoted(delimiter === '|' ? cell.trim() : cell))
    if (cells.length < 2 || !cells.every((cell) => cell === '' || NAME.test(cell))) return false
    return cells.some((cell) => isIdName(cell) || COLUMN_NAMES.has(cell) || COLUMN_WORDS.has(cell))
  })
}

/** Whether it may be the name of a column, and is hardly a value: what a message may repeat. */
export function isName(text: string): boolean {
  return NAME.test(text)
}

function isIdName(name: string): boolean {
  return ID_NAME.test(name) || CAMEL_ID_NAME.test(name)
}

function unquoted(cell: string): string {
  return /^"[^"]*"$/u.test(cell) ? cell.slice(1, -1) : cell
}

/** Below the rows that psql shows. */
export function isPsqlFooter(line: string): boolean {
  return /^\(\d+ rows?\)$/u.test(line)
}

export const PSQL_FOOTER =
  'the line seems to be what psql writes below a table: write the list with psql --csv, or -At without names'

const PERMISSIONS = /^[-dlbcps][-rwxsStT]{9}[.+@]?\s/u
const S3_OBJECT = /^\s*(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +\d+ |PRE )/u

/** Why a list begins with what a program shows of files, and not with their names; `maybe` while the line after it is needed. */
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
  'the file is what ls -l shows: list the names alone, with ls -1 or find, or give --format lines if every line is an item'
const S3_LISTING =
  "the file is what aws s3 ls shows: list the keys alone, with aws s3api list-objects-v2 --query 'Contents[].[Key]' --output text, or give --format lines if every line is an item"
