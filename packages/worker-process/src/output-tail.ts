import { open } from 'node:fs/promises'
import { stripVTControlCharacters } from 'node:util'
import { encodeJson, type JsonValue } from '@sluice/core'
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

/** The last lines of a file for people: at most `maxBytes`, whole lines where they fit, no control characters. */
export async function lastLines(path: string, maxBytes: number): Promise<string> {
  const { text, whole } = await readTail(path, maxBytes)
  const firstBreak = text.trimEnd().indexOf('\n')
  const lines = whole || firstBreak < 0 ? text : text.slice(firstBreak + 1)
  // oxlint-disable-next-line no-control-regex
  const plain = stripVTControlCharacters(lines).replaceAll(/[^\P{Cc}\n\t]/gu, '')
  return plain.replace(/^\u{FFFD}+/u, '').trim()
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
