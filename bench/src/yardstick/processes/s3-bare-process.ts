// A process of its own: as many bare parallel PUTs as a queue made requests, by the same client.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { answer } from './helper.ts'
import type { S3Place } from './s3-server-process.ts'

export interface S3BareSetup {
  readonly build: string
  readonly place: S3Place
  readonly concurrency: number
}

/** The part of the SDK that is used: it is that of the build, and no dependency of the bench. */
interface Sdk {
  readonly S3Client: new (options: object) => { send(command: object): Promise<unknown>; destroy(): void }
  readonly PutObjectCommand: new (input: object) => object
}

const { build, place, concurrency }: S3BareSetup = JSON.parse(process.argv[2] ?? '')
const require = createRequire(join(build, 'packages/queue-s3/package.json'))
const sdk: Sdk = await import(pathToFileURL(require.resolve('@aws-sdk/client-s3')).href)
const client = new sdk.S3Client({
  endpoint: place.endpoint,
  region: place.region,
  credentials: { ...place.credentials },
  forcePathStyle: true,
  requestHandler: { httpAgent: { maxSockets: concurrency, keepAlive: true } },
})
let serial = 0

answer({
  /** Resolves with how long it took, in ms. */
  put: async (count: number): Promise<number> => {
    const startedAt = performance.now()
    const last = serial + count
    const one = async (): Promise<void> => {
      while (serial < last) {
        const Key = `bare/${serial++}`
        await client.send(new sdk.PutObjectCommand({ Bucket: place.bucket, Key, Body: '{}' }))
      }
    }
    await Promise.all(Array.from({ length: concurrency }, one))
    return performance.now() - startedAt
  },
  end: () => client.destroy(),
})
