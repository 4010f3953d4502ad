import { isUtf8 } from 'node:buffer'

/** One line without its end; `text` is absent when `reason` says why it can't be read. */
export type Line =
  | { readonly line: number; readonly text: string; readonly last: boolean }
  | { readonly line: number; readonly reason: string }

const NEWLINE = 0x0a
const CARRIAGE_RETURN = 0x0d
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])

/**
 * Splits bytes into lines at LF or CRLF, a byte order mark left out. A line over `maxLineBytes` is skipped to its end and
 * reported, so that a file without line ends never fills the memory; so is one that isn't UTF-8.
 *
 * `last` is true for a line that the file ends without a line end: it may have been cut off.
 *
 * @param map what becomes of a line; `undefined` leaves it out. It is done in here since a second asynchronous generator around this one
 * would cost more than the lines themselves
 */
export async function* readLines<T>(
  source: AsyncIterable<Buffer>,
  maxLineBytes: number,
  map: (line: Line) => T | undefined,
): AsyncGenerator<T> {
  const open = new OpenLine(maxLineBytes)
  let line = 1
  for await (const chunk of withoutByteOrderMark(source)) {
    let start = 0
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start)
      if (end === -1) break
      const mapped = map(
        decodeLine(open.close(chunk.subarray(start, end)), { line, last: false, maxLineBytes }),
      )
      if (mapped !== undefined) yield mapped
      line += 1
      start = end + 1
    }
    open.add(chunk.subarray(start))
  }
  if (open.empty) return
  const mapped = map(decodeLine(open.close(), { line, last: true, maxLineBytes }))
  if (mapped !== undefined) yield mapped
}

/** The pieces of a line whose end hasn't come yet. */
class OpenLine {
  readonly #maxBytes: number
  #pieces: Buffer[] = []
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get empty(): boolean {
    return this.#bytes === 0
  }

  add(piece: Buffer): void {
    this.#bytes += piece.length
    if (this.#bytes > this.#maxBytes) this.#pieces = []
    else if (piece.length > 0) this.#pieces.push(piece)
  }

  /** The whole line, or `undefined` when it is too long; the next one starts. */
  close(tail: Buffer = Buffer.alloc(0)): Buffer | undefined {
    const tooLong = this.#bytes + tail.length > this.#maxBytes
    const whole = this.#pieces.length === 0 ? tail : Buffer.concat([...this.#pieces, tail])
    this.#pieces = []
    this.#bytes = 0
    return tooLong ? undefined : whole
  }
}

function decodeLine(
  bytes: Buffer | undefined,
  at: { line: number; last: boolean; maxLineBytes: number },
): Line {
  if (bytes === undefined)
    return { line: at.line, reason: `the line is longer than ${at.maxLineBytes} bytes` }
  const whole = bytes.at(-1) === CARRIAGE_RETURN ? bytes.subarray(0, -1) : bytes
  if (!isUtf8(whole)) return { line: at.line, reason: 'the line is not valid UTF-8' }
  return { line: at.line, text: whole.toString('utf8'), last: at.last }
}

/** Leaves out the byte order mark that spreadsheets write, even when it comes in pieces. */
export async function* withoutByteOrderMark(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let head: Buffer | undefined = Buffer.alloc(0)
  for await (const chunk of source) {
    if (head === undefined) {
      yield chunk
      continue
    }
    head = Buffer.concat([head, chunk])
    if (head.length < BYTE_ORDER_MARK.length) continue
    yield head.subarray(0, 3).equals(BYTE_ORDER_MARK) ? head.subarray(3) : head
    head = undefined
  }
  if (head !== undefined && head.length > 0) yield head
}
