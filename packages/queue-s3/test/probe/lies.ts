import { answerWith, answerWithStatus, type S3Fault, type S3Request, type S3Server } from '@sluice/fake-s3'

/** A kind of request that a call sends. */
export type Use = 'write' | 'list' | 'delete'

/** What a store does wrong from one instant on, for ever. */
export interface Lie {
  readonly title: string
  /** Which calls meet it: those that send such requests. Default all. */
  readonly of?: Use
  readonly fault?: () => (request: S3Request) => S3Fault | undefined
  /** What is done behind the queue's back to the objects whose keys begin so. */
  readonly tamper?: (server: S3Server, root: string) => void
  readonly latencyMs?: number
}

const NO_KEY = answerWithStatus(404, 'NoSuchKey')
const HELD: S3Fault = { do: 'hold', until: new Promise(() => {}) }

const WRITES = ['PutObject']
const READS = ['GetObject', 'HeadObject']
const LISTS = ['ListObjectsV2']
const DELETIONS = ['DeleteObjects', 'DeleteObject']
const USES = new Map<readonly string[], Use>([
  [WRITES, 'write'],
  [LISTS, 'list'],
  [DELETIONS, 'delete'],
])

type Answering = S3Fault | ((request: S3Request) => S3Fault | undefined)

/** The requests of some operations go wrong, each alike. */
function lie(title: string, operations: readonly string[], fault: Answering): Lie {
  const of = (request: S3Request) => {
    if (!operations.includes(request.operation)) return undefined
    return typeof fault === 'function' ? fault(request) : fault
  }
  const use = USES.get(operations)
  return { title, fault: () => of, ...(use !== undefined && { of: use }) }
}

/** The first request goes wrong, the next one does not, and so on. */
function everySecond({ title, fault, ...rest }: Lie): Lie {
  return {
    ...rest,
    title: `${title}, every second time`,
    fault: () => {
      let count = 0
      const of = fault?.()
      return (request) => {
        const found = of?.(request)
        return found !== undefined && count++ % 2 === 0 ? found : undefined
      }
    },
  }
}

function answer(body = '', headers: Readonly<Record<string, string>> = {}): S3Fault {
  return { do: 'answer', answer: { status: 200, body, headers } }
}

function xml(name: string, content: string): S3Fault {
  const text = `<${name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${content}</${name}>`
  return answer(text, { 'content-type': 'application/xml' })
}

function page(keys: readonly string[], isTruncated: boolean): S3Fault {
  const contents = keys.map((key) => `<Contents><Key>${key}</Key><Size>9</Size></Contents>`)
  return xml('ListBucketResult', `<IsTruncated>${isTruncated}</IsTruncated>${contents.join('')}`)
}

/** An answer to HEAD that has all that a store's has. */
function head(etag: string, bytes: number): S3Fault {
  const modified = { etag: `"${etag}"`, 'last-modified': 'Sun, 01 Nov 2026 10:00:00 GMT' }
  return answer('', { ...modified, 'content-length': String(bytes) })
}

/** DeleteObjects that is answered, names each of its keys as deleted, and does nothing. */
function keepKeys({ body }: S3Request): S3Fault {
  const keys = body.toString().match(/<Key>[^<]*<\/Key>/g) ?? []
  return xml('DeleteResult', keys.map((key) => `<Deleted>${key}</Deleted>`).join(''))
}

/** DeleteObjects that is answered, and refuses each of its keys. */
export function refuseKeys({ body }: S3Request): S3Fault {
  const keys = body.toString().match(/<Key>[^<]*<\/Key>/g) ?? []
  const errors = keys.map((key) => `<Error>${key}<Code>InternalError</Code></Error>`)
  return xml('DeleteResult', errors.join(''))
}

/** Pages whose one name is another one each time, and has no object. */
function otherNames(): NonNullable<Lie['fault']> {
  let count = 0
  return () => (request) => {
    if (request.operation !== 'ListObjectsV2') return undefined
    const number = (999_999_999_000 - count++).toString()
    return page([`${request.query.get('prefix') ?? ''}${number}`], false)
  }
}

/** Objects of a folder that an operator deletes. */
function deleted(...folders: readonly string[]): Lie {
  return {
    title: `deleted: ${folders.join(', ')}`,
    tamper: (server, root) => {
      for (const key of server.keys())
        if (folders.some((folder) => key.startsWith(`${root}${folder}/`))) server.deleteKey(key)
    },
  }
}

/** Objects of a folder that an operator overwrites. */
function overwritten(text: string, ...folders: readonly string[]): Lie {
  return {
    title: `overwritten by ${text.length} bytes: ${folders.join(', ')}`,
    tamper: (server, root) => {
      const keys = server.keys().filter((key) => folders.some((one) => key.startsWith(`${root}${one}/`)))
      server.seed(keys.map((key) => [key, text]))
    },
  }
}

const FOLDERS = [
  'ITEMS',
  'WAITING',
  'PROCESSING',
  'SUCCESS',
  'FAIL',
  'LEFT',
  'CONTROL',
  'LEASES',
  'DOCUMENTS',
]

export const lies: readonly Lie[] = [
  lie('writes fail', WRITES, answerWith('InternalError')),
  everySecond(lie('writes fail', WRITES, answerWith('InternalError'))),
  lie('writes are stored and fail', WRITES, answerWith('InternalError', { applied: true })),
  lie('writes are slowed down', WRITES, answerWith('SlowDown')),
  lie('the disk is full', WRITES, answerWithStatus(507, 'XMinioStorageFull')),
  lie('the store is read-only', WRITES, answerWithStatus(403, 'AccessDenied')),
  lie('writes hang', WRITES, HELD),
  lie('writes are not answered', WRITES, { do: 'drop-reply' }),
  lie('writes conflict', WRITES, answerWith('ConditionalRequestConflict')),
  lie('what is not there exists', WRITES, answerWith('PreconditionFailed')),
  lie('what is written exists', WRITES, answerWith('PreconditionFailed', { applied: true })),
  lie('writes are answered and not stored', WRITES, answer('', { etag: '"e"' })),
  lie('reads fail', READS, answerWith('InternalError')),
  everySecond(lie('all fails', [...READS, ...WRITES, ...LISTS], answerWith('InternalError'))),
  lie('nothing is there', READS, NO_KEY),
  lie('nothing is there for HEAD', ['HeadObject'], NO_KEY),
  lie('all is there for HEAD', ['HeadObject'], head('0123456789abcdef0123456789abcdef', 10)),
  lie('all is there and empty for HEAD', ['HeadObject'], head('d41d8cd98f00b204e9800998ecf8427e', 0)),
  lie('HEAD is answered without a head', ['HeadObject'], answer()),
  lie('nothing is there for GET', ['GetObject'], NO_KEY),
  lie('all is cut off', ['GetObject'], answer('{"sluice":1,"id')),
  lie('listings fail', LISTS, answerWith('InternalError')),
  lie('listings are empty', LISTS, page([], false)),
  everySecond(lie('listings are empty', LISTS, page([], false))),
  lie('listings go on without a name', LISTS, page([], true)),
  lie('listings begin again', LISTS, ({ query }) => page([`${query.get('prefix') ?? ''}00/a`], true)),
  { title: 'listings show other names each time', of: 'list', fault: otherNames() },
  lie('deletions of keys are refused', DELETIONS, refuseKeys),
  lie('deletions fail', DELETIONS, answerWith('InternalError')),
  lie('deletions hang', DELETIONS, HELD),
  lie('deletions are answered and not done', DELETIONS, keepKeys),
  lie('deletions are answered without their keys', DELETIONS, xml('DeleteResult', '')),
  { title: 'all is slow', latencyMs: 250 },
  deleted('ITEMS'),
  deleted('WAITING'),
  deleted('PROCESSING'),
  deleted('SUCCESS', 'LEFT'),
  deleted('FAIL'),
  deleted('CONTROL', 'LEASES', 'DOCUMENTS'),
  overwritten('', ...FOLDERS),
  overwritten('{"sluice":1,', ...FOLDERS),
]
