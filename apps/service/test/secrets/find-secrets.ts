import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** A part of a canary that is as long as this is a leak too. */
const PIECE_CHARS = 6
/** What a secret is long enough for to be searched for in a decoded text. */
const MIN_CHARS = 5

/** Where a text shows a secret. */
export interface Leak {
  /** What was read: `stdout`, a file. */
  readonly place: string
  readonly secret: string
  /** The text around, for whoever has to find out why. */
  readonly excerpt: string
}

/**
 * Looks for secrets in texts, in all that a reader could decode of them. It has nothing in common with the redaction of the product: that encodes the secret, this
 * decodes the text.
 */
export class SecretFinder {
  /** Each with the parts that are searched for, in lower case. */
  readonly #secrets = new Map<string, readonly string[]>()

  /** Searches for the whole of it. */
  add(secret: string): void {
    if (secret.length >= MIN_CHARS && !this.#secrets.has(secret))
      this.#secrets.set(secret, [secret.toLowerCase()])
  }

  /** Searches for each part of it: nothing else looks like it. */
  addCanary(secret: string): void {
    const text = secret.toLowerCase()
    const starts = Array.from({ length: Math.max(0, text.length - PIECE_CHARS + 1) }, (_, start) => start)
    const pieces = starts.map((start) => text.slice(start, start + PIECE_CHARS))
    this.#secrets.set(
      secret,
      pieces.filter((piece) => /[a-z0-9]{4}/u.test(piece)),
    )
  }

  get size(): number {
    return this.#secrets.size
  }

  find(place: string, written: string): readonly Leak[] {
    // What stands in place of a secret is none.
    const views = decodings(written.replaceAll('[secret]', ''))
    return [...this.#secrets].flatMap(([secret, parts]) => {
      const view = views.find((each) => parts.some((part) => each.includes(part)))
      if (view === undefined) return []
      const at = Math.min(...parts.map((part) => view.indexOf(part)).filter((index) => index >= 0))
      return [{ place, secret, excerpt: view.slice(Math.max(0, at - 80), at + 120) }]
    })
  }

  /** Of every file below a folder whose name is not left out. */
  async findInFiles(folder: string, isLeftOut: (name: string) => boolean): Promise<readonly Leak[]> {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    const leaks: Leak[] = []
    for (const entry of entries) {
      if (!entry.isFile() || isLeftOut(entry.name)) continue
      const path = join(entry.parentPath, entry.name)
      // A job may just remove its own files.
      const bytes = await readFile(path).catch(() => Buffer.alloc(0))
      leaks.push(
        ...this.find(path.slice(folder.length + 1), bytes.toString('latin1')),
        ...this.find(path, bytes.toString('utf8')),
      )
    }
    return leaks
  }
}

/** The text in lower case, and what can be decoded of it. */
function decodings(text: string): readonly string[] {
  const unescaped = text
    .replaceAll(/\\u([0-9a-f]{4})/giu, (_, code: string) => char(code))
    .replaceAll(/\\+(["'\\/`])/gu, '$1')
  const plain = [
    text,
    unescaped,
    unescaped.replaceAll(/&(amp|quot|lt|gt|#39);/gu, (name) => ENTITIES[name] ?? name),
  ]
  const percent = plain.map((each) =>
    each.replaceAll('+', ' ').replaceAll(/%([0-9a-f]{2})/giu, (_, code: string) => char(code)),
  )
  const runs = [...text.matchAll(/[A-Za-z0-9+/_-]{8,}/gu)].map(([run]) => run)
  const base64 = [0, 1, 2, 3].map((skip) =>
    runs.map((run) => Buffer.from(run.slice(skip), 'base64').toString('latin1')).join('\n'),
  )
  const hex = [0, 1].map((skip) =>
    runs.map((run) => Buffer.from(run.slice(skip), 'hex').toString('latin1')).join('\n'),
  )
  return [...plain, ...percent, ...base64, ...hex].map((each) => each.toLowerCase())
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&quot;': '"',
  '&lt;': '<',
  '&gt;': '>',
  '&#39;': "'",
}

function char(hex: string): string {
  return String.fromCharCode(Number.parseInt(hex, 16))
}

/** What of a run's arguments, variables and configuration files is a secret, by the plainest of rules. */
export function secretsIn(text: string): readonly string[] {
  const named = text.matchAll(
    /(?:token|secretAccessKey|sessionToken|password|SECRET_ACCESS_KEY)["']?\s*[:=]\s*["']?([^\s"',{}&[\]]+)/giu,
  )
  const urls = text.matchAll(/[a-z0-9]:\/\/[^\s/:@"']*:([^\s/@"']+)@/giu)
  return [...named, ...urls].map(([, secret = '']) => secret)
}

export function leakText(leaks: readonly Leak[]): string {
  return leaks
    .map(({ place, secret, excerpt }) => `${place} shows ${JSON.stringify(secret)}: … ${excerpt} …`)
    .join('\n')
}
