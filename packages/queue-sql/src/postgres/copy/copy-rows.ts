/*
 * Rows in COPY's binary format. The server reads them for a tenth less than text, and this process makes them
 * for half: texts are written once, into a buffer that is used again.
 *
 * @see https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4
 */

/** A chunk of this size is sent: the server begins with it while the next is made. */
const CHUNK_BYTES = 65_536
/** Of a row besides its texts, at most. */
const ROW_BYTES = 256
const MAX_BYTES_PER_UNIT = 3
const TWO_POW_32 = 2 ** 32

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1')
/** No flags, and no more of a header. */
const HEADER = Buffer.concat([SIGNATURE, Buffer.alloc(8)])

/** Writes rows field by field, each of the type of its column. */
export class CopyRows {
  #buffer = Buffer.allocUnsafe(CHUNK_BYTES + ROW_BYTES)
  #at = 0

  /** Begins a row. @param textUnits the length of its texts */
  row(columns: number, textUnits: number): void {
    const needed = this.#at + ROW_BYTES + textUnits * MAX_BYTES_PER_UNIT
    if (needed > this.#buffer.length) this.#grow(needed)
    this.#int16(columns)
  }

  smallint(value: number): void {
    this.#int32(2)
    this.#int16(value)
  }

  integer(value: number): void {
    this.#int32(4)
    this.#int32(value)
  }

  /** @param value a whole number, 0 or more */
  bigint(value: number): void {
    this.#int32(8)
    this.#int32(Math.floor(value / TWO_POW_32))
    this.#int32(value % TWO_POW_32)
  }

  null(): void {
    this.#int32(-1)
  }

  /** @param uid in the usual form, with hyphens */
  uuid(uid: string): void {
    this.#int32(16)
    const hex = uid.slice(0, 8) + uid.slice(9, 13) + uid.slice(14, 18) + uid.slice(19, 23) + uid.slice(24)
    this.#at += this.#buffer.write(hex, this.#at, 'hex')
  }

  text(text: string): void {
    const lengthAt = this.#at
    const bytes = this.#buffer.write(text, lengthAt + 4, 'utf8')
    this.#int32(bytes)
    this.#at += bytes
  }

  /** Whether a chunk is full. */
  get isFull(): boolean {
    return this.#at >= CHUNK_BYTES
  }

  /** What was written since it was last called; valid until more is written. */
  taken(): Buffer {
    const chunk = this.#buffer.subarray(0, this.#at)
    this.#at = 0
    return chunk
  }

  #int16(value: number): void {
    this.#buffer[this.#at++] = value >>> 8
    this.#buffer[this.#at++] = value
  }

  #int32(value: number): void {
    this.#buffer[this.#at++] = value >>> 24
    this.#buffer[this.#at++] = value >>> 16
    this.#buffer[this.#at++] = value >>> 8
    this.#buffer[this.#at++] = value
  }

  #grow(bytes: number): void {
    const larger = Buffer.allocUnsafe(bytes)
    this.#buffer.copy(larger, 0, 0, this.#at)
    this.#buffer = larger
  }
}

/** All of a COPY, in chunks that are valid until the next is asked for. */
export function* copyChunks<Row>(
  rows: readonly Row[],
  write: (row: Row, to: CopyRows) => void,
): Generator<Buffer> {
  const to = new CopyRows()
  yield HEADER
  for (const row of rows) {
    write(row, to)
    if (to.isFull) yield to.taken()
  }
  yield to.taken()
  yield END
}

const END = Buffer.from([0xff, 0xff])
