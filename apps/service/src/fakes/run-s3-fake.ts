import { once } from 'node:events'
import { startS3Server, type S3Server } from '@sluice/testkit/s3'
import type { CommandContext } from '../cli/command.js'
import { listenFailure } from './listen-failure.js'

/** What `sluice s3-fake` was told. */
export interface S3FakeFlags {
  readonly port: number
  readonly host: string
  readonly bucket: string
  readonly accessKey: string
  readonly secretKey: string
  readonly latency: number
}

/** Stands in for an S3 store until it is interrupted. */
export async function runS3Fake(flags: S3FakeFlags, context: CommandContext): Promise<void> {
  const signal = context.interrupted()
  const server = await start(flags)
  try {
    const { bucket } = server
    const facts = { endpoint: server.endpoint, bucket, credentials: { ...server.credentials } }
    context.output.print(() => introduction(facts), facts)
    if (!signal.aborted) await once(signal, 'abort')
  } finally {
    await server.close()
  }
}

async function start({ port, host, bucket, accessKey, secretKey, latency }: S3FakeFlags): Promise<S3Server> {
  const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey }
  try {
    // Nobody reads its log here, and it would only fill the memory.
    return await startS3Server({
      port,
      host,
      buckets: [bucket],
      credentials,
      latencyMs: latency,
      maxLogged: 0,
    })
  } catch (error) {
    throw listenFailure(error, { port, host })
  }
}

interface Facts {
  readonly endpoint: string
  readonly bucket: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
}

/** A text is quoted as JSON is, which YAML reads alike. */
function introduction({ endpoint, bucket, credentials: { accessKeyId, secretAccessKey } }: Facts): string {
  const keys = `{ accessKeyId: ${JSON.stringify(accessKeyId)}, secretAccessKey: ${JSON.stringify(secretAccessKey)} }`
  return `A stand-in for S3 listens on ${endpoint}. All is in memory: Ctrl-C ends it, and what was put into it is gone.

To try it, in sluice.config.yaml:

queue:
  package: s3
  name: default
  bucket: ${JSON.stringify(bucket)}
  prefix: queues
  endpoint: ${endpoint}
  credentials: ${keys}
worker:
  package: process
  command: [sh, -c, 'echo "{{\\"greeting\\": \\"hello $1\\"}}"', sh, '{body.name}']

Then, in another terminal:

  $ sluice put first '{"name": "world"}'
  $ sluice run --until-empty
  $ sluice show first
  $ sluice queues --sizes
`
}
