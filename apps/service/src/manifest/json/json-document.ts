import { isUtf8 } from 'node:buffer'
import {
  isRefused,
  MAX_LINE_BYTES,
  type ManifestEntry,
  type ManifestReader,
  type Reading,
  type RefusedEntry,
} from '../manifest-entry.js'
import { withRawElement } from '../raw-row.js'
import { shellWord } from '../../output/output.js'
import { NOT_UTF8, TOO_LONG } from '../text/text-lines.js'
import { JsonElements, type ElementPlace } from './json-elements.js'
import { JsonItems } from './json-items.js'
import { jqFilter, parsePath, pathText, type PathStep } from './json-path.js'

/**
 * Reads one JSON document whose items are the elements of a list, given by a path. Only one element at a time
 * is in memory.
 */
export class JsonDocumentReader implements ManifestReader {
  readonly #reading: Reading
  readonly #items: JsonItems
  readonly #elements: JsonElements
  readonly #path: string
  readonly #steps: readonly PathStep[]
  #out: ManifestEntry[] = []
  #count = 0
  #bytes = 0
  #stopped = false

  constructor(reading: Reading, path: { readonly text: string; readonly steps: readonly PathStep[] }) {
    this.#reading = reading
    this.#items = new JsonItems(reading)
    this.#path = path.text
    this.#steps = path.steps
    const { maxLineBytes = MAX_LINE_BYTES } = reading.options
    this.#elements = new JsonElements({
      steps: path.steps,
      maxBytes: maxLineBytes,
      onElement: (bytes, place) => this.#element(bytes, place, maxLineBytes),
    })
  }

  /** The name of the container of the elements. */
  get #container(): string {
    const key = this.#steps.findLast((step) => step !== 'all')
    return key === undefined || this.#steps.at(-2) === 'all' ? 'their container' : key.key
  }

  push(bytes: Buffer): readonly ManifestEntry[] {
    this.#bytes += bytes.length
    this.#elements.push(bytes)
    return this.#given()
  }

  end(): readonly ManifestEntry[] {
    if (this.#bytes > 0) this.#elements.end()
    if (this.#elements.missing > 0 && this.#elements.hasList)
      this.#reading.conveniences.add('pathsToNothing', this.#elements.missing)
    // An empty list is valid; a mistyped path is an error.
    if (this.#count === 0 && !this.#elements.hasList && this.#elements.fault === undefined) {
      this.#out.push({
        line: 1,
        reason: `the path ${this.#path} matches nothing in this file; compare its names with the file, such as with jq keys`,
        stops: true,
      })
    }
    return this.#given()
  }

  #given(): readonly ManifestEntry[] {
    const out = this.#out
    this.#out = []
    const { fault } = this.#elements
    if (fault !== undefined && !this.#stopped) {
      this.#stopped = true
      out.push({ ...fault, stops: true })
    }
    return out
  }

  #element(bytes: Buffer | undefined, place: ElementPlace, maxLineBytes: number): void {
    this.#count += 1
    const entry = this.#entry(bytes, place, maxLineBytes)
    this.#out.push(withRawElement(entry, this.#reading, bytes))
  }

  #entry(bytes: Buffer | undefined, found: ElementPlace, maxLineBytes: number): ManifestEntry {
    const { isField, ...place } = found
    const at = { ...place, element: this.#count }
    if (bytes === undefined)
      return this.#items.refuse(at, `the element is longer than ${maxLineBytes} bytes; ${TOO_LONG}`)
    if (isUtf8(bytes)) {
      const entry = this.#items.element(bytes.toString('utf8'), at)
      return isField && isRefused(entry) && entry.reason.startsWith('the element is ')
        ? { ...entry, reason: `${entry.reason}; ${this.#container} is an object, not a list` }
        : entry
    }
    return this.#items.refuse(at, `the element ${NOT_UTF8}`)
  }
}

/** How much of a document is searched for the likely list. */
export const DOCUMENT_HEAD_CHARS = 64 * 1024

/** The refusal of one JSON document as JSON lines, with what to do instead. */
export function documentRefusal(
  head: string,
  at: { readonly line: number; readonly name: string | undefined },
): RefusedEntry {
  const keys = longestList(head)
  const path = keys === undefined ? '$' : pathText(keys)
  const what = /^\s*\[/u.test(head) ? 'a JSON array' : 'a JSON document'
  const jq = `jq -c '${jqFilter(parsePath(path) ?? [])}'${at.name === undefined ? '' : ` ${shellWord(at.name)}`}`
  return {
    line: at.line,
    reason: `the file is ${what}, not one JSON object per line: use --path '${path}' to read it unchanged, or convert it: ${jq} | sluice load -`,
    stops: true,
  }
}

interface OpenContainer {
  readonly isObject: boolean
  readonly start: number
  key: string | undefined
}

/** A string with its closing quote, and the colon of a key; or a bracket. */
const TOKEN = /"([^"\\]*(?:\\.[^"\\]*)*)("(?:\s*:)?)?|[{}[\]]/gsu

/** The keys to the longest list in the text, preferably of objects. Lists within lists don't count. */
function longestList(head: string): readonly string[] | undefined {
  const open: OpenContainer[] = []
  let best: { readonly keys: readonly string[]; readonly rank: number } | undefined
  const close = ({ isObject, start }: OpenContainer, end: number) => {
    if (isObject || open.some((outer) => !outer.isObject)) return
    const isOfObjects = /^\[\s*(?:\{|$)/u.test(head.slice(start, start + 200))
    const rank = end - start + (isOfObjects ? head.length : 0)
    if (rank > (best?.rank ?? 0)) best = { keys: open.map(({ key = '' }) => key), rank }
  }
  for (const token of head.matchAll(TOKEN)) {
    const [text, key, end = ''] = token
    const top = open.at(-1)
    if (text === '{' || text === '[')
      open.push({ isObject: text === '{', start: token.index, key: undefined })
    else if (text === '}' || text === ']') {
      const closed = open.pop()
      if (closed !== undefined) close(closed, token.index)
    } else if (end.endsWith(':') && top !== undefined) top.key = key
  }
  for (let last = open.pop(); last !== undefined; last = open.pop()) close(last, head.length)
  return best?.keys
}

/**
 * Whether a text is the start of a JSON object or array that continues after it. It is not where it ends
 * within a string: JSON strings have no line breaks.
 */
export function goesOn(text: string): boolean {
  let depth = 0
  for (const [token, , end] of text.matchAll(TOKEN)) {
    if (token === '{' || token === '[') depth += 1
    else if (token === '}' || token === ']') depth -= 1
    else if (end === undefined) return false
  }
  return depth > 0
}
