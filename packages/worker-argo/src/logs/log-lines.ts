import { z } from 'zod'
import { argoError, type ArgoError } from '../api/reply.js'

/** One line of one pod. */
export interface LogLine {
  readonly pod: string
  /**
   * In ns since the epoch; `undefined`: it is the rest of a line that was too long for the server's buffer.
   */
  readonly at: bigint | undefined
  readonly text: string
}

const frameSchema = z.object({
  result: z.object({ content: z.string().default(''), podName: z.string().default('') }),
})

/**
 * What the data of one event of a log says, asked for with timestamps; `undefined` when it says nothing of
 * use.
 */
export function readLogFrame(
  data: string,
): { readonly line: LogLine } | { readonly error: ArgoError } | undefined {
  const json = parsed(data)
  const frame = frameSchema.safeParse(json)
  if (frame.success) {
    const { content, podName } = frame.data.result
    return { line: { pod: podName, ...stamped(content) } }
  }
  const error = argoError(json)
  return error === undefined ? undefined : { error }
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    // Cut off in the middle.
    return undefined
  }
}

const STAMPED = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)(?: |$)/u

function stamped(content: string): Pick<LogLine, 'at' | 'text'> {
  const [whole = '', seconds = '', fraction = '', zone = ''] = STAMPED.exec(content) ?? []
  const ms = whole === '' ? Number.NaN : Date.parse(`${seconds}${zone}`)
  if (Number.isNaN(ms)) return { at: undefined, text: content }
  const at = BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0'))
  return { at, text: content.slice(whole.length) }
}

interface Position {
  readonly last: bigint
  /** How many lines of that very instant were given. */
  readonly count: number
}

/**
 * How far the log of each pod was given. A log is read in several passes, where a stream breaks or `follow`
 * begins behind a tail, and each begins at the beginning: Kubernetes knows no offset, but the instants of a
 * container's lines do not go back.
 */
export class LogPositions {
  readonly #pods = new Map<string, Position>()

  /** Whether no line was seen yet. */
  get isEmpty(): boolean {
    return this.#pods.size === 0
  }

  /** Begins a pass. @returns whether a line of it is new */
  pass(): (line: LogLine) => boolean {
    const before = new Map(this.#pods)
    const skipped = new Map<string, number>()
    const wasNew = new Map<string, boolean>()
    return (line) => {
      const { pod, at } = line
      // A piece of a line goes with its beginning.
      if (at === undefined) return wasNew.get(pod) ?? true
      const known = before.get(pod)
      let isNew = known === undefined || at > known.last
      if (known !== undefined && at === known.last) {
        const count = (skipped.get(pod) ?? 0) + 1
        skipped.set(pod, count)
        isNew = count > known.count
      }
      wasNew.set(pod, isNew)
      if (isNew) this.#note(pod, at)
      return isNew
    }
  }

  #note(pod: string, at: bigint): void {
    const known = this.#pods.get(pod)
    if (known !== undefined && at < known.last) return
    this.#pods.set(pod, { last: at, count: known?.last === at ? known.count + 1 : 1 })
  }
}

/**
 * Makes bytes of lines: each ends with a line break, and where there are several pods it begins with the
 * pod's name.
 */
export class LogPrinter {
  #isShared: boolean
  #first: string | undefined

  /** @param isShared it is known that there are several */
  constructor(isShared: boolean) {
    this.#isShared = isShared
  }

  bytesOf({ pod, text }: LogLine): Uint8Array {
    this.#first ??= pod
    if (pod !== this.#first) this.#isShared = true
    return Buffer.from(this.#isShared ? `${pod}: ${text}\n` : `${text}\n`)
  }
}

/** The last bytes of what is put in; no more than these and one chunk are kept. */
export class ByteTail {
  readonly #maxBytes: number
  readonly #chunks: Uint8Array[] = []
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    for (;;) {
      const [oldest] = this.#chunks
      if (oldest === undefined || this.#bytes - oldest.length < this.#maxBytes) return
      this.#chunks.shift()
      this.#bytes -= oldest.length
    }
  }

  *chunks(): Generator<Uint8Array> {
    let over = Math.max(0, this.#bytes - this.#maxBytes)
    for (const chunk of this.#chunks) {
      const rest = chunk.subarray(over)
      over = Math.max(0, over - chunk.length)
      if (rest.length > 0) yield rest
    }
  }
}
