// A process of its own: an S3 server, so that its work is not done on the time of what is measured.
import { subscribe } from 'node:diagnostics_channel'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type * as FakeS3 from '../../../../packages/fake-s3/src/index.ts'
import { answer } from './helper.ts'

export interface S3ServerSetup {
  readonly build: string
  readonly latencyMs: number
}

/**
 * What the server does to requests: `storm`: answers 503; `late`: each 50th write takes effect after the
 * sender gave up.
 */
export type S3Trouble = 'none' | 'storm' | 'late'

export interface S3Reading {
  readonly requests: number
  /** Both ways, headers included. */
  readonly bytes: number
}

export interface S3Place {
  readonly endpoint: string
  readonly region: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  readonly bucket: string
}

const LATE_EVERY = 50
const LATE_MS = 15_000

const { build, latencyMs }: S3ServerSetup = JSON.parse(process.argv[2] ?? '')
const fake: typeof FakeS3 = await import(pathToFileURL(join(build, 'packages/fake-s3/dist/index.js')).href)
const sockets = new Set<Socket>()
let [closedBytes, writes] = [0, 0]
let trouble: S3Trouble = 'none'

subscribe('http.server.request.start', (message) => {
  const socket = socketOf(message)
  if (socket === undefined || sockets.has(socket)) return
  sockets.add(socket)
  socket.once('close', () => {
    sockets.delete(socket)
    closedBytes += socket.bytesRead + socket.bytesWritten
  })
})
const server = await fake.startS3Server({ latencyMs, maxLogged: 1 })
server.main.onRequest = ({ operation }) => {
  if (trouble === 'storm') return fake.answerWith('SlowDown')
  if (trouble === 'none' || operation !== 'PutObject' || ++writes % LATE_EVERY !== 0) return undefined
  const until = new Promise((resolve) => setTimeout(resolve, LATE_MS))
  return { do: 'hold', until, reply: 'dropped' }
}
answer({
  place: (): S3Place => {
    const { endpoint, region, credentials } = server.clientOptions()
    return { endpoint, region, credentials, bucket: server.bucket }
  },
  trouble: (next: S3Trouble) => {
    trouble = next
  },
  read: (): S3Reading => ({
    requests: Object.values(server.counts()).reduce((sum, count) => sum + count, 0),
    bytes: [...sockets].reduce(
      (sum, { bytesRead, bytesWritten }) => sum + bytesRead + bytesWritten,
      closedBytes,
    ),
  }),
  end: () => undefined,
})

/** Node says it with the request. */
function socketOf(message: unknown): Socket | undefined {
  if (typeof message !== 'object' || message === null || !('socket' in message)) return undefined
  return message.socket instanceof Socket ? message.socket : undefined
}
