import { once } from 'node:events'
import type { S3Server } from '@sluice/fake-s3'
import type { CommandContext } from '../cli/command.js'
import { sluiceCommand } from '../cli/invocation.js'
import { loadS3Fake, type S3Fake } from './fake-package.js'
import { listenFailure } from './listen-failure.js'

/** The options of `sluice s3-fake`. */
export interface S3FakeFlags {
  readonly port: number
  readonly host: string
  readonly bucket: string
  readonly accessKey: string
  readonly secretKey: string
  readonly latency: number
}

/** Runs the fake until it is interrupted. */
export async function runS3Fake(flags: S3FakeFlags, context: CommandContext): Promise<void> {
  const fake = await loadS3Fake(context.cwd)
  const signal = context.interrupted()
  const server = await start(fake, flags)
  try {
    const { bucket } = server
    const facts = { endpoint: server.endpoint, bucket, credentials: { ...server.credentials } }
    context.output.print(() => introduction(facts, context.cwd), facts)
    if (!signal.aborted) await once(signal, 'abort')
  } finally {
    await server.close()
  }
}

async function start(
  { startS3Server }: S3Fake,
  { port, host, bucket, accessKey, secretKey, latency }: S3FakeFlags,
): Promise<S3Server> {
  const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey }
  try {
    // Its request log is not read here, and would only fill the memory.
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

/** Texts are quoted as JSON, which YAML reads too. */
function introduction(
  { endpoint, bucket, credentials: { accessKeyId, secretAccessKey } }: Facts,
  cwd: string,
): string {
  const keys = `{ accessKeyId: ${JSON.stringify(accessKeyId)}, secretAccessKey: ${JSON.stringify(secretAccessKey)} }`
  const sluice = (args: string): string => sluiceCommand(args, cwd)
  return `A fake S3 store listens on ${endpoint}. Its objects are in memory: Ctrl-C ends it and discards them.

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

  $ ${sluice(`put first '{"name": "world"}'`)}
  $ ${sluice('run --until-empty')}
  $ ${sluice('show first')}
  $ ${sluice('queues --sizes')}
`
}
