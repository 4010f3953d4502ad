import { open, type FileHandle } from 'node:fs/promises'
import { TerminalTail, encodeJson, utf8Bytes, type JsonValue } from '@sluice/core'
import { absentAsUndefined } from './record.js'

interface Tail {
  readonly text: string
  /** The text is the whole file. */
  readonly whole: boolean
}

async function readTail(path: string, maxBytes: number): Promise<Tail> {
  const file = await absentAsUndefined(() => open(path, 'r'))
  if (file === undefined) return { text: '', whole: true }
  try {
    const { size } = await file.stat()
    const start = Math.max(0, size - maxBytes)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start)
    return { text: buffer.toString('utf8', 0, bytesRead), whole: start === 0 }
  } finally {
    await file.close()
  }
}

const CHUNK_BYTES = 65_536
/** How much of a file is read first, where nothing is overwritten it is enough. */
const FIRST_BYTES = 8_192
/** How much of the end of a file is searched for lines that stay: beyond so many bytes of updates of one line nothing is looked for. */
const MAX_SEARCHED_BYTES = 67_108_864

/**
 * The last lines of a file as a terminal would leave them: at most `maxBytes`, whole lines where they fit, no control characters. What was overwritten
 * takes none of the room, so that the line before a progress bar is there however often that was updated.
 */
export async function lastLines(path: string, maxBytes: number): Promise<string> {
  const file = await absentAsUndefined(() => open(path, 'r'))
  if (file === undefined) return ''
  try {
    const { size } = await file.stat()
    for (let searched = FIRST_BYTES; ; searched *= 8) {
      const start = Math.max(0, size - searched)
      const text = await shownText(file, { start, end: size, maxBytes })
      if (start === 0 || utf8Bytes(text) >= maxBytes || searched >= MAX_SEARCHED_BYTES)
        return endOf(text, maxBytes)
    }
  } finally {
    await file.close()
  }
}

interface Part {
  readonly start: number
  readonly end: number
  readonly maxBytes: number
}

async function shownText(file: FileHandle, { start, end, maxBytes }: Part): Promise<string> {
  const decoder = new TextDecoder()
  // Of a line that began before, nobody knows what it was: it counts only where there is no other.
  const cut = new TerminalTail(maxBytes)
  const whole = new TerminalTail(maxBytes)
  let isCut = start > 0
  for (let at = start; at < end;) {
    const { buffer, bytesRead } = await file.read(
      new Uint8Array(CHUNK_BYTES),
      0,
      Math.min(CHUNK_BYTES, end - at),
      at,
    )
    if (bytesRead === 0) break
    at += bytesRead
    const text = decoder.decode(buffer.subarray(0, bytesRead), { stream: true })
    const lineBreak = isCut ? text.indexOf('\n') : -1
    if (isCut) cut.write(lineBreak < 0 ? text : text.slice(0, lineBreak))
    if (isCut && lineBreak < 0) continue
    isCut = false
    whole.write(text.slice(lineBreak + 1))
  }
  const text = whole.text
  return text === '' ? cut.text : text
}

/** The last lines of a text, or the end of the last one where that is longer. */
function endOf(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text)
  if (bytes.length <= maxBytes) return text
  const end = bytes.toString('utf8', bytes.length - maxBytes).replace(/^\u{FFFD}+/u, '')
  return end.slice(end.indexOf('\n') + 1).trim()
}

/**
 * The last line of a file, if it is JSON that a queue can store.
 *
 * @returns `undefined` when the line is longer than `maxBytes` or is not JSON
 */
export async function jsonLastLine(path: string, maxBytes: number): Promise<JsonValue | undefined> {
  // Two more for the line break behind the line, one for that before it.
  const { text, whole } = await readTail(path, maxBytes + 3)
  const trimmed = text.trimEnd()
  const lineBreak = trimmed.lastIndexOf('\n')
  if (lineBreak < 0 && !whole) return undefined
  return parseResult(trimmed.slice(lineBreak + 1), maxBytes)
}

function parseResult(line: string, maxBytes: number): JsonValue | undefined {
  try {
    const value: JsonValue = JSON.parse(line)
    encodeJson(value, maxBytes, 'result')
    return value
  } catch {
    // Ordinary output: the job has no result.
    return undefined
  }
}
