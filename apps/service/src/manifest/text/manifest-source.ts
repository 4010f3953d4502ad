import { createReadStream, createWriteStream, type Stats } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { addAbortSignal, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { pipeline as pipeTo } from 'node:stream'
import { manifestError } from '../manifest-errors.js'

/** The source of a manifest. */
export interface ManifestSource {
  /** The name for messages. */
  readonly name: string
  /** The size of the file as stored, compressed or not; absent for a pipe. */
  readonly totalBytes?: number
  /** The progress of the latest reading, in the same bytes. */
  readonly readBytes: number
  /** Whether `read` may be called again. */
  readonly repeatable: boolean
  /** Standard input, a named pipe or a shell's `<(…)`, whose name does not imply a format. */
  readonly isPipe: boolean
  /** The bytes, decompressed from gzip. */
  read(): AsyncGenerator<Buffer>
  /** Deletes the temporary copy. */
  close(): Promise<void>
}

export interface SourceOptions {
  /** Copy a pipe to a temporary file first, so that it can be read twice. */
  readonly repeatable?: boolean
  readonly signal?: AbortSignal
  /** The base of relative paths. Default: the working directory. */
  readonly cwd?: string
  /** Replaces standard input, for tests. */
  readonly stdin?: Readable
}

/**
 * Opens a manifest.
 *
 * @param path a file, or `-` for standard input
 * @throws SluiceError SLUICE_INPUT_INVALID for a missing file, a directory, or a file without read permission
 */
export async function openSource(path: string, options: SourceOptions = {}): Promise<ManifestSource> {
  if (path === '-') return openPipe(options.stdin ?? process.stdin, 'standard input', options)
  const found = await findManifest(path)
  // A named pipe or a shell's `<(…)` can be read once, like standard input.
  if (!found.isFile()) return openPipe(createReadStream(path), path, options)
  return new FileSource(path, { name: path, totalBytes: found.size, isPipe: false, ...options })
}

/** @throws SluiceError SLUICE_INPUT_INVALID for a missing file or a directory */
export async function findManifest(path: string): Promise<Stats> {
  const found = await stat(path).catch((error: unknown) => Promise.reject(manifestError(error, path)))
  if (found.isDirectory()) throw manifestError(Object.assign(new Error(), { code: 'EISDIR' }), path)
  return found
}

async function openPipe(pipe: Readable, name: string, options: SourceOptions): Promise<ManifestSource> {
  if (options.repeatable !== true) return new PipeSource(pipe, name, options.signal)
  const dir = await mkdtemp(join(tmpdir(), 'sluice-load-'))
  const drop = () => rm(dir, { recursive: true, force: true })
  try {
    const spool = join(dir, 'manifest')
    await pipeline(pipe, createWriteStream(spool), options.signal ? { signal: options.signal } : {})
    const { size } = await stat(spool)
    return new FileSource(spool, { name, totalBytes: size, isPipe: true, drop, ...options })
  } catch (error) {
    await drop()
    throw manifestError(error, name)
  }
}

class FileSource implements ManifestSource {
  readonly name: string
  readonly isPipe: boolean
  readonly totalBytes: number
  readonly repeatable = true
  readBytes = 0
  readonly #path: string
  readonly #drop: (() => Promise<void>) | undefined
  readonly #signal: AbortSignal | undefined

  constructor(
    path: string,
    options: {
      name: string
      totalBytes: number
      isPipe: boolean
      drop?: () => Promise<void>
      signal?: AbortSignal
    },
  ) {
    this.name = options.name
    this.totalBytes = options.totalBytes
    this.isPipe = options.isPipe
    this.#path = path
    this.#drop = options.drop
    this.#signal = options.signal
  }

  async *read(): AsyncGenerator<Buffer> {
    this.readBytes = 0
    const stream = abortable(createReadStream(this.#path, { highWaterMark: 256 * 1024 }), this.#signal)
    yield* readBytes(stream, { name: this.name, count: (bytes) => (this.readBytes += bytes) })
  }

  async close(): Promise<void> {
    await this.#drop?.()
  }
}

class PipeSource implements ManifestSource {
  readonly name: string
  readonly isPipe = true
  readonly repeatable = false
  readBytes = 0
  readonly #pipe: Readable

  constructor(pipe: Readable, name: string, signal?: AbortSignal) {
    this.name = name
    this.#pipe = abortable(pipe, signal)
  }

  async *read(): AsyncGenerator<Buffer> {
    yield* readBytes(this.#pipe, { name: this.name, count: (bytes) => (this.readBytes += bytes) })
  }

  async close(): Promise<void> {
    this.#pipe.destroy()
  }
}

function abortable(stream: Readable, signal: AbortSignal | undefined): Readable {
  // Without it, reading a silent pipe would block Ctrl-C.
  return signal === undefined ? stream : addAbortSignal(signal, stream)
}

async function* readBytes(
  stream: Readable,
  how: { name: string; count: (bytes: number) => void },
): AsyncGenerator<Buffer> {
  try {
    yield* unpacked(counted(stream, how.count), /\.gz$/iu.test(how.name))
  } catch (error) {
    throw manifestError(error, how.name)
  }
}

async function* counted(stream: Readable, count: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const chunk of stream) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk))
    count(bytes.length)
    yield bytes
  }
}

/** Decompresses gzip, detected by its first two bytes, which are not UTF-8. */
async function* unpacked(chunks: AsyncGenerator<Buffer>, isNamedGzip: boolean): AsyncGenerator<Buffer> {
  let head = Buffer.alloc(0)
  for await (const chunk of withoutClosing(chunks)) {
    head = Buffer.concat([head, chunk])
    if (head.length >= 2) break
  }
  // A gzip file has at least 18 bytes: the writer was interrupted.
  if (head.length < 2 && (head[0] === 0x1f || (isNamedGzip && head.length === 0)))
    throw Object.assign(new Error(), { code: 'Z_BUF_ERROR' })
  const whole = chain(head, chunks)
  if (head[0] === 0x1f && head[1] === 0x8b) {
    const gunzip = createGunzip()
    // An error of either side is thrown by the generator below.
    pipeTo(Readable.from(whole), gunzip, () => undefined)
    yield* gunzip
  } else yield* whole
}

async function* chain(head: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  if (head.length > 0) yield head
  yield* rest
}

/** Leaving a `for await` closes its iterable; this one is read further. */
function withoutClosing(chunks: AsyncGenerator<Buffer>): AsyncIterable<Buffer> {
  return { [Symbol.asyncIterator]: () => ({ next: () => chunks.next() }) }
}
