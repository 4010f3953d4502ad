import * as sdk from '@aws-sdk/client-s3'
import { sdkSender, type S3ClientOptions, type S3Target } from '../../src/index.ts'

/**
 * A client that tries once, on a connection for each request: a fact is about one answer, and MinIO closes
 * some without a word.
 */
export function clientOf(options: S3ClientOptions, more: Partial<S3ClientOptions['credentials']> = {}) {
  const agent = { keepAlive: false, maxSockets: Number.POSITIVE_INFINITY }
  return new sdk.S3Client({
    ...options,
    credentials: { ...options.credentials, ...more },
    requestHandler: { httpAgent: agent, httpsAgent: agent },
    maxAttempts: 1,
  })
}

/** A store to look at, by the real SDK. */
export function targetOf(options: S3ClientOptions, bucket: string): S3Target {
  return {
    send: sdkSender(clientOf(options), sdk),
    bucket,
    prefix: `facts-${process.pid}-${Date.now().toString(36)}/`,
    unknownKey: sdkSender(clientOf(options, { accessKeyId: 'NOBODYSKEY' }), sdk),
    wrongSecret: sdkSender(clientOf(options, { secretAccessKey: 'a-wrong-secret' }), sdk),
  }
}
