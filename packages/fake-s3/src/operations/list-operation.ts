import { errorAnswer, xmlAnswer, type S3Answer } from '../server/answer.js'
import { bytesOf, keyOf } from '../store/key-order.js'
import type { Bucket } from '../store/object-store.js'
import { inBucket, type OperationContext } from './operation-context.js'
import type { S3Rules } from '../rules.js'
import { element } from '../server/xml.js'

const MAX_PAGE = 1_000
/** Above every byte of UTF-8: a prefix with it behind is after all keys of that prefix. */
const AFTER_ALL = '\u00ff'

interface ListQuery {
  readonly prefix: string
  readonly delimiter: string
  readonly maxKeys: number
  /** Bytes after which the page starts. */
  readonly after: string
  readonly urlEncoded: boolean
}

interface ListPage {
  readonly keys: readonly string[]
  readonly prefixes: readonly string[]
  /** Where the next page starts; `undefined` on the last. */
  readonly next: string | undefined
}

/** ListObjectsV2: one page, at a cost that doesn't grow with the number of keys outside it. */
export function listObjects(context: OperationContext): S3Answer {
  return inBucket(context, (bucket) => {
    const query = queryOf(context.request.query, context.rules)
    if ('status' in query) return query
    const page = pageOf(bucket, query, context.store.changes - context.listLag)
    return xmlAnswer(
      'ListBucketResult',
      contentOf(context.request.query, query, { bucket, page, name: context.request.bucket }),
    )
  })
}

function queryOf(query: URLSearchParams, { listEncoding }: S3Rules): ListQuery | S3Answer {
  const maxKeys = Number(query.get('max-keys') ?? MAX_PAGE)
  if (!Number.isInteger(maxKeys) || maxKeys < 0) return errorAnswer('InvalidArgument')
  const token = query.get('continuation-token')
  const after = token === null ? bytesOf(query.get('start-after') ?? '') : readToken(token)
  if (after === undefined) {
    return errorAnswer('InvalidArgument', { message: 'The continuation token provided is incorrect' })
  }
  return {
    prefix: bytesOf(query.get('prefix') ?? ''),
    delimiter: bytesOf(query.get('delimiter') ?? ''),
    maxKeys: Math.min(maxKeys, MAX_PAGE),
    after,
    urlEncoded: listEncoding === 'honoured' && query.get('encoding-type') === 'url',
  }
}

const TOKEN_HEAD = '1:'

function tokenOf(after: string): string {
  return Buffer.from(TOKEN_HEAD + after, 'utf8').toString('base64url')
}

function readToken(token: string): string | undefined {
  const text = Buffer.from(token, 'base64url').toString('utf8')
  return text.startsWith(TOKEN_HEAD) ? text.slice(TOKEN_HEAD.length) : undefined
}

function pageOf(bucket: Bucket, query: ListQuery, upToChange: number): ListPage {
  const keys: string[] = []
  const prefixes: string[] = []
  if (query.maxKeys === 0) return { keys, prefixes, next: undefined }
  let next = query.after
  for (const { entry, isPrefix } of entriesOf(bucket, query, upToChange)) {
    if (keys.length + prefixes.length === query.maxKeys) return { keys, prefixes, next }
    if (isPrefix) prefixes.push(entry)
    else keys.push(entry)
    next = isPrefix ? entry + AFTER_ALL : entry
  }
  return { keys, prefixes, next: undefined }
}

interface Entry {
  readonly entry: string
  readonly isPrefix: boolean
}

/** Keys, and each common prefix once in the place of all its keys. */
function entriesOf(bucket: Bucket, query: ListQuery, upToChange: number): Iterable<Entry> {
  return bucket.order.contiguous
    ? entriesInOrder(bucket, query, upToChange)
    : scatteredEntries(bucket, query, upToChange)
}

function* entriesInOrder(bucket: Bucket, query: ListQuery, upToChange: number): Generator<Entry> {
  let from: string | undefined = query.prefix > query.after ? query.prefix : query.after
  while (from !== undefined) {
    const keys: Iterable<string> = bucket.list(from, upToChange)
    from = undefined
    for (const key of keys) {
      if (!key.startsWith(query.prefix)) return
      if (key <= query.after) continue
      const common = commonPrefixOf(key, query)
      yield { entry: common ?? key, isPrefix: common !== undefined }
      if (common === undefined) continue
      // All keys of the prefix are passed over by a new search, not one by one.
      from = common + AFTER_ALL
      break
    }
  }
}

/** For an order in which the keys of a prefix are not next to each other: everything is read. */
function* scatteredEntries(bucket: Bucket, query: ListQuery, upToChange: number): Generator<Entry> {
  const seen = new Set<string>()
  for (const key of bucket.list(query.after, upToChange)) {
    if (!key.startsWith(query.prefix) || key === query.after) continue
    const common = commonPrefixOf(key, query)
    if (common !== undefined && seen.has(common)) continue
    if (common !== undefined) seen.add(common)
    yield { entry: common ?? key, isPrefix: common !== undefined }
  }
}

function commonPrefixOf(key: string, { prefix, delimiter }: ListQuery): string | undefined {
  if (delimiter === '') return undefined
  const at = key.indexOf(delimiter, prefix.length)
  return at < 0 ? undefined : key.slice(0, at + delimiter.length)
}

function contentOf(
  asked: URLSearchParams,
  { maxKeys, urlEncoded }: ListQuery,
  { bucket, page, name }: { bucket: Bucket; page: ListPage; name: string },
): string {
  const shown = urlEncoded ? urlEncode : (text: string) => text
  const echoed = (element_: string, parameter: string) => {
    const value = asked.get(parameter)
    return value === null ? '' : element(element_, shown(value))
  }
  const token = asked.get('continuation-token')
  return [
    element('Name', name),
    element('Prefix', shown(asked.get('prefix') ?? '')),
    echoed('Delimiter', 'delimiter'),
    echoed('StartAfter', 'start-after'),
    token === null ? '' : element('ContinuationToken', token),
    urlEncoded ? element('EncodingType', 'url') : '',
    element('MaxKeys', String(maxKeys)),
    element('KeyCount', String(page.keys.length + page.prefixes.length)),
    element('IsTruncated', String(page.next !== undefined)),
    page.next === undefined ? '' : element('NextContinuationToken', tokenOf(page.next)),
    ...page.keys.map((key) => entryOf(bucket, key, shown)),
    ...page.prefixes.map((one) => `<CommonPrefixes>${element('Prefix', shown(keyOf(one)))}</CommonPrefixes>`),
  ].join('')
}

function entryOf(bucket: Bucket, bytes: string, shown: (text: string) => string): string {
  const object = bucket.listed(bytes)
  if (object === undefined) return ''
  const { etag, lastModifiedAt, body } = object
  const key = element('Key', shown(keyOf(bytes)))
  const at = new Date(lastModifiedAt).toISOString()
  return `<Contents>${key}<LastModified>${at}</LastModified><ETag>&quot;${etag}&quot;</ETag><Size>${body.length}</Size><StorageClass>STANDARD</StorageClass></Contents>`
}

/** What is written as it is; most keys are nothing else. */
const PLAIN = /^[\w./-]*$/

/** As AWS writes keys under `EncodingType: url`: a space is `+`, a slash stays. */
function urlEncode(text: string): string {
  if (PLAIN.test(text)) return text
  return encodeURIComponent(text)
    .replaceAll(/[!'()~]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+')
    .replaceAll('%2F', '/')
}
