/**
 * Files that are not lists, by their first bytes. Where a list may begin with the letters too, further bytes
 * decide.
 */
const KINDS = [
  { magic: [0x28, 0xb5, 0x2f, 0xfd], reason: packedBy('zstd -dc') },
  { magic: [0x42, 0x5a, 0x68, undefined, 0x31, 0x41, 0x59, 0x26], reason: packedBy('bzip2 -dc') },
  { magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a], reason: packedBy('xz -dc') },
  { magic: [0x04, 0x22, 0x4d, 0x18], reason: packedBy('lz4 -dc') },
  { magic: [0x1f, 0x8b], reason: 'the file is compressed twice: decompress it with gzip -dc once' },
  {
    magic: [0x50, 0x4b, 0x03, 0x04],
    reason:
      'the file is a ZIP archive, such as an Excel workbook (.xlsx): save the sheet as CSV, or unpack the archive first',
  },
  {
    magic: [0xd0, 0xcf, 0x11, 0xe0],
    reason: 'the file is an Excel workbook (.xls): save the sheet as CSV first',
  },
  {
    magic: [...Buffer.from('PAR1'), 0x15],
    reason:
      "the file is Parquet: export it as JSON lines first, such as with duckdb -c \"COPY (FROM 'FILE') TO 'list.jsonl' (FORMAT json)\"",
  },
  { magic: Buffer.from('ARROW1'), reason: 'the file is Arrow: export it as CSV or JSON lines first' },
  {
    magic: Buffer.from('SQLite format 3'),
    reason: 'the file is an SQLite database: export the table first, such as with sqlite3 -csv -header',
  },
  { magic: Buffer.from('%PDF-'), reason: 'the file is a PDF: export the list as CSV first' },
] as const

const TAR = Buffer.from('ustar')

function packedBy(command: string): string {
  return `the file is compressed: decompress it with ${command} first`
}

/**
 * Why a file with this beginning is not a list; `maybe` while more bytes are needed.
 *
 * @param isEnough no more bytes follow
 */
export function binaryReason(
  head: Buffer,
  isEnough: boolean,
): { readonly reason: string } | 'maybe' | undefined {
  if (head.subarray(257, 262).equals(TAR)) return { reason: 'the file is a tar archive: unpack it first' }
  for (const { magic, reason } of KINDS) {
    const isAlike = [...magic].every(
      (byte, at) => byte === undefined || at >= head.length || byte === head[at],
    )
    if (!isAlike || head.length === 0) continue
    if (head.length >= magic.length) return { reason }
    if (!isEnough) return 'maybe'
  }
  return undefined
}
