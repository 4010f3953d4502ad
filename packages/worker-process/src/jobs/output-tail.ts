import { isUtf8 } from 'node:buffer'
import { open, type FileHandle } from 'node:fs/promises'
import { TerminalTail, parseJson, utf8Bytes, type JsonValue } from '@sluice/core'
import { absentAsUndefined } from '../disk/record.js'

const CHUNK_BYTES = 65_536
/** How much of a file is read first: enough where nothing is overwritten. */
const FIRST_BYTES = 8_192
/**
 * How much of the end of a file is searched for lines that stay: beyond that many bytes of updates of one
 * line none is searched for.
 */
const MAX_SEARCHED_BYTES = 67_108_864

/**
 * The last lines of a file as a terminal would leave them: at most `maxBytes`, whole lines where they fit, no
 * control characters. What was overwritten takes none of the room, so that the line before a progress bar is
 * there however often that was updated.
 */
export async function lastLines(path: string, maxBytes: number): Promise<string> {
  const file = await absentAsUndefined(() => open(path, 'r'))
  if (file === undefined) return ''
  try {
    const { size } = await file.stat()
    for (let searched = FIRST_BYTES; ; searched *= 8) {
      const start = Math.max(0, size - Math.min(searched, MAX_SEARCHED_BYTES))
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
  // A line that began before is not known whole: it counts only where there is no other.
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

/** The result in a job's stdout. */
export interface ReadResult {
  readonly value?: JsonValue
  /** Why there is none, where the last line looks like one. It repeats nothing of the line. */
  readonly note?: string
}

/**
 * The last line of a file, if it is JSON that a queue can store unchanged. Ordinary output is no result, and
 * gets no note.
 */
export async function readResult(path: string, maxBytes: number): Promise<ReadResult> {
  // Two more for the line break behind the line, one for that before it.
  const { bytes, isWhole } = await readEnd(path, maxBytes + 3)
  const end = trimmedLength(bytes)
  const lineBreak = bytes.lastIndexOf(LINE_FEED, end - 1)
  const line = bytes.subarray(lineBreak + 1, end)
  if ((lineBreak < 0 && !isWhole) || line.length > maxBytes)
    return looksLikeJson(line.toString('latin1'), lineBreak < 0 && !isWhole)
      ? { note: tooLong(maxBytes) }
      : {}
  const above = bytes.toString('latin1', 0, lineBreak + 1)
  if (isEndOfSeveral(line.toString('latin1'), above, isWhole)) return { note: SEVERAL_LINES }
  return parseResult(line, maxBytes)
}

const LINE_FEED = 0x0a

/**
 * Whether a line that only closes brackets ends a value that some line above it began, as pretty-printed JSON
 * does: so may a listing of code, but few programs end with one.
 */
function isEndOfSeveral(line: string, above: string, isWhole: boolean): boolean {
  if (!/^[\]}][\]}\s]*$/u.test(line.trimStart())) return false
  return !isWhole || (line.endsWith('}') ? /^[ \t]*\{/mu : /^[ \t]*\[/mu).test(above)
}

function parseResult(line: Buffer, maxBytes: number): ReadResult {
  const text = line.toString('utf8')
  const parsed = parseJson(text)
  if ('reason' in parsed) {
    if (!looksLikeJson(text, false)) return {}
    return {
      note: `${NO_RESULT}: it is not JSON that can be kept as it is: ${parsed.reason} (${parsed.path})`,
    }
  }
  // Other bytes than UTF-8 would be stored as other characters.
  if (!isUtf8(line)) return { note: `${NO_RESULT}: it is not UTF-8` }
  // The same value may be longer in another notation.
  return utf8Bytes(JSON.stringify(parsed.value)) > maxBytes
    ? { note: tooLong(maxBytes) }
    : { value: parsed.value }
}

const NO_RESULT = 'the last line of stdout is not kept as a result'

const SEVERAL_LINES = `${NO_RESULT}: it is the end of a value over several lines; print the result in one line (jq -c, json.dumps without indent)`

function tooLong(maxBytes: number): string {
  return `${NO_RESULT}: it is longer than ${maxBytes} bytes (maxResultBytes); write the data to a file and its address to stdout`
}

/** `NaN` and the like, which some languages write for numbers. */
const NUMBER = /^[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|NaN|nan|Infinity|inf)$/u

/** Whether a line was meant to be JSON, as far as its ends show: a line of a log may begin with a bracket. */
function looksLikeJson(line: string, isCut: boolean): boolean {
  const text = line.trim()
  const first = text.charAt(0)
  const last = text.at(-1) ?? ''
  if (isCut) return '}]"'.includes(last) || /^\d+$/u.test(text)
  if (first === '{') return true
  if (first === '[') return last === ']' || /^\[\s*[[{"]/u.test(text)
  return (first === '"' && last === '"') || NUMBER.test(text)
}

async function readEnd(
  path: string,
  maxBytes: number,
): Promise<{ readonly bytes: Buffer; readonly isWhole: boolean }> {
  const file = await absentAsUndefined(() => open(path, 'r'))
  if (file === undefined) return { bytes: Buffer.alloc(0), isWhole: true }
  try {
    const { size } = await file.stat()
    const start = Math.max(0, size - maxBytes)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start)
    return { bytes: buffer.subarray(0, bytesRead), isWhole: start === 0 }
  } finally {
    await file.close()
  }
}

/** Without the line breaks and blanks at the end. */
function trimmedLength(bytes: Buffer): number {
  let end = bytes.length
  while (end > 0 && (bytes[end - 1] ?? 0) <= 0x20) end -= 1
  return end
}
