import { Readable } from 'node:stream'
import { Manifest } from '../../src/manifest/manifest.js'
import {
  describeRefusal,
  isRefused,
  type ManifestEntry,
  type ReadingOptions,
} from '../../src/manifest/manifest-entry.js'

const MAX_BODY_BYTES = 1_048_576

export interface ReadTextOptions extends ReadingOptions {
  /** Bytes in a piece. Default 7. */
  readonly pieces?: number
  readonly maxBodyBytes?: number
  readonly maxLineBytes?: number
}

/** Reads a text as the manifest on standard input, in small pieces. */
export async function readText(
  text: string | Buffer,
  { pieces = 7, maxBodyBytes = MAX_BODY_BYTES, maxLineBytes, ...reading }: ReadTextOptions = {},
): Promise<{ entries: ManifestEntry[]; conveniences: Manifest['conveniences']['counts'] }> {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text
  const manifest = await Manifest.open(['-'], reading, { stdin: Readable.from(inPieces(bytes, pieces)) })
  const entries: ManifestEntry[] = []
  const limits = maxLineBytes === undefined ? { maxBodyBytes } : { maxBodyBytes, maxLineBytes }
  for await (const entry of manifest.read(limits)) entries.push(entry)
  await manifest.close()
  return { entries, conveniences: manifest.conveniences.counts }
}

function* inPieces(bytes: Buffer, size: number): Generator<Buffer> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size)
}

/** The items by line, and the refusals as people see them. */
export function seen(entries: readonly ManifestEntry[]): unknown[] {
  return entries.map((entry) => (isRefused(entry) ? describeRefusal(entry) : [entry.line, entry.item]))
}
