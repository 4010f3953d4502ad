import { createWriteStream, type WriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import type { RefusedEntry } from './manifest-entry.js'
import { rejectsError } from './manifest-errors.js'

/** Refusals kept for people to read; the others are only counted, or go to the file of rejects. */
export const SHOWN_REFUSALS = 20

/** Keeps the first refused lines, and writes all of them to a file of JSON lines if there is one. */
export class RefusalLog {
  readonly first: RefusedEntry[] = []
  readonly #path: string | undefined
  #stream: WriteStream | undefined
  #failure: Error | undefined

  /** @param path the file of rejects; it is made anew, empty when nothing is refused */
  constructor(path?: string) {
    this.#path = path
  }

  /** @throws SluiceError SLUICE_INPUT_INVALID when the file can't be written */
  async open(): Promise<void> {
    if (this.#path === undefined) return
    const path = this.#path
    const stream = createWriteStream(path)
    this.#stream = stream
    stream.on('error', (error) => (this.#failure ??= rejectsError(error, path)))
    await new Promise<void>((resolve, reject) => {
      stream.once('open', () => resolve())
      stream.once('error', (error) => reject(rejectsError(error, path)))
    })
  }

  /** Resolves when the file keeps up, so that a manifest of nothing but bad lines takes little memory. */
  async add(entry: RefusedEntry): Promise<void> {
    if (this.first.length < SHOWN_REFUSALS) this.first.push(entry)
    if (this.#failure !== undefined) throw this.#failure
    const { source, line, field, reason } = entry
    const stream = this.#stream
    if (stream === undefined || stream.write(`${JSON.stringify({ source, line, field, reason })}\n`)) return
    await Promise.race([
      new Promise<void>((resolve) => stream.once('drain', () => resolve())),
      new Promise<void>((resolve) => stream.once('close', () => resolve())),
    ])
  }

  async close(): Promise<void> {
    if (this.#stream === undefined) return
    this.#stream.end()
    // Its failure is noted by the listener of `open`, and thrown below.
    await finished(this.#stream).catch(() => undefined)
    if (this.#failure !== undefined) throw this.#failure
  }
}
