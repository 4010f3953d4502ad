import { check, same } from '@sluice/testkit/server'
import type { S3Command, S3Target } from './s3-fact.js'

type Input = Readonly<Record<string, unknown>>

/** The outcome of a request: the code and status of a refusal, the output of a success. */
export interface Came {
  readonly status: number
  /** The error code, by the SDK's name of the error. */
  readonly code?: string
  readonly output: Readonly<Record<string, unknown>>
}

/**
 * The keys of one fact in the bucket, and short calls for the requests that it sends. Keys are given without
 * the folder's prefix.
 */
export class Folder {
  readonly target: S3Target

  constructor(target: S3Target) {
    this.target = target
  }

  /**
   * Sends a request and returns its outcome. It rejects only for a failure that is no answer of the store.
   */
  async ask(command: S3Command, input: Input, send = this.target.send): Promise<Came> {
    try {
      const output: unknown = await send(command, { Bucket: this.target.bucket, ...input })
      return { status: statusOf(output) ?? 0, output: recordOf(output) }
    } catch (error) {
      const status = statusOf(error)
      if (status === undefined) throw error
      return { status, code: textAt(recordOf(error), 'name'), output: recordOf(error) }
    }
  }

  put(key: string, body: string, more: Input = {}): Promise<Came> {
    return this.ask('PutObject', { Key: this.full(key), Body: Buffer.from(body), ...more })
  }

  /** Puts an object and returns its ETag as the store wrote it. */
  async putOk(key: string, body: string, more: Input = {}): Promise<string> {
    const came = await this.put(key, body, more)
    expectStatus(came, 200, 'PutObject')
    return textAt(came.output, 'ETag')
  }

  get(key: string, more: Input = {}): Promise<Came> {
    return this.ask('GetObject', { Key: this.full(key), ...more })
  }

  head(key: string, more: Input = {}): Promise<Came> {
    return this.ask('HeadObject', { Key: this.full(key), ...more })
  }

  delete(key: string, more: Input = {}): Promise<Came> {
    return this.ask('DeleteObject', { Key: this.full(key), ...more })
  }

  /** The text of an object, or `undefined` for a missing one. */
  async text(key: string): Promise<string | undefined> {
    const came = await this.get(key)
    if (came.status === 404) return undefined
    expectStatus(came, 200, 'GetObject')
    return bodyText(came)
  }

  batchDelete(objects: readonly Input[], more: Input = {}): Promise<Came> {
    const full = objects.map((one) => ({ ...one, Key: this.full(textAt(one, 'Key')) }))
    return this.ask('DeleteObjects', { Delete: { Objects: full, ...more } })
  }

  /** One page of the folder's listing, with keys decoded and without the prefix. */
  async page(more: Input = {}): Promise<ListedPage> {
    const input = { Prefix: this.target.prefix, EncodingType: 'url', ...more }
    const came = await this.ask('ListObjectsV2', input)
    expectStatus(came, 200, 'ListObjectsV2')
    return {
      keys: this.#names(came.output['Contents'], 'Key'),
      prefixes: this.#names(came.output['CommonPrefixes'], 'Prefix'),
      entries: recordsOf(came.output['Contents']),
      truncated: came.output['IsTruncated'] === true,
      token: came.output['NextContinuationToken'],
    }
  }

  /** All pages of a listing. */
  async pages(more: Input = {}): Promise<ListedPage[]> {
    const pages = [await this.page(more)]
    for (let last = pages[0]; last?.truncated === true; last = pages.at(-1)) {
      check(pages.length < 10_000, 'a listing ends')
      pages.push(await this.page({ ...more, ContinuationToken: last.token }))
    }
    return pages
  }

  /** All keys of the folder, in the order listed. */
  async keys(): Promise<string[]> {
    return (await this.pages()).flatMap(({ keys }) => keys)
  }

  /** A key with the folder's prefix in front. */
  full(key: string): string {
    return this.target.prefix + key
  }

  #names(list: unknown, field: string): string[] {
    return recordsOf(list).map((one) => {
      const name = decodeURIComponent(textAt(one, field).replaceAll('+', ' '))
      check(name.startsWith(this.target.prefix), 'a listing has only what starts with its prefix', name)
      return name.slice(this.target.prefix.length)
    })
  }
}

/** One page of a listing. */
export interface ListedPage {
  readonly keys: readonly string[]
  readonly prefixes: readonly string[]
  readonly entries: readonly Readonly<Record<string, unknown>>[]
  readonly truncated: boolean
  readonly token: unknown
}

/** Throws unless the status is this one. */
export function expectStatus(came: Came, status: number, what: string): void {
  check(came.status === status, `${what} is answered ${status}`, `${came.status} ${came.code ?? ''}`)
}

/** Throws unless it was refused so. A HEAD has no body to carry a code: for it, leave the code out. */
export function expectRefusal(came: Came, [status, code]: readonly [number, string?], what: string): void {
  const expected = code === undefined ? { status } : { status, code }
  same(
    code === undefined ? { status: came.status } : { status: came.status, code: came.code },
    expected,
    what,
  )
}

/** The text under a name, or the empty string. */
export function textAt(record: Readonly<Record<string, unknown>>, name: string): string {
  const value = record[name]
  return typeof value === 'string' ? value : ''
}

/** The body of a GetObject. */
export async function bodyText({ output }: Came): Promise<string> {
  const read: unknown = recordOf(output['Body'])['transformToString']
  check(typeof read === 'function', 'a GetObject has a body')
  const text: unknown = typeof read === 'function' ? await Reflect.apply(read, output['Body'], []) : ''
  return typeof text === 'string' ? text : ''
}

/** The records of a list, which may be missing. */
export function recordsOf(value: unknown): Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.map(recordOf) : []
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {}
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function statusOf(value: unknown): number | undefined {
  const status = recordOf(recordOf(value)['$metadata'])['httpStatusCode']
  return typeof status === 'number' ? status : undefined
}

/** Does something for each, at most 16 at a time: stores refuse too many connections. */
export async function forEach<T>(
  values: readonly T[],
  action: (value: T) => Promise<unknown>,
): Promise<void> {
  const rest = values.values()
  const lane = async () => {
    for (const value of rest) await action(value)
  }
  await Promise.all(Array.from({ length: 16 }, lane))
}
