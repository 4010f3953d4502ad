import { brokenFact, type ServerFact } from '@sluice/testkit/server'

/** The operations that the facts ask for. */
export type S3Command =
  | 'CreateBucket'
  | 'HeadBucket'
  | 'ListBuckets'
  | 'DeleteBucket'
  | 'PutObject'
  | 'GetObject'
  | 'HeadObject'
  | 'DeleteObject'
  | 'DeleteObjects'
  | 'ListObjectsV2'
  | 'CopyObject'

/** Sends one request, by the names of the AWS SDK, and rejects as the SDK does. It must not retry. */
export type S3Send = (command: S3Command, input: Readonly<Record<string, unknown>>) => Promise<unknown>

/** A store that is tested. */
export interface S3Target {
  readonly send: S3Send
  /** A bucket that exists. */
  readonly bucket: string
  /** The prefix of all keys of a run, and of no other keys. It ends in `/`. */
  readonly prefix: string
  /** As `send`, with an access key that the store doesn't know. */
  readonly unknownKey?: S3Send
  /** As `send`, with a wrong secret. */
  readonly wrongSecret?: S3Send
}

/**
 * One thing that a store is expected to do, as AWS does it. It works in a folder of its own below the
 * target's prefix.
 */
export interface S3Fact extends ServerFact<S3Target> {
  /** Whether it takes more than 500 requests. */
  readonly heavy?: boolean
}

/** A known difference between a store and AWS. */
export interface S3Deviation {
  /** The fact's id. */
  readonly fact: string
  /** What the store does instead. */
  readonly instead: string
  /** `true`: the fact never holds. `false`: it sometimes does, as in a race. */
  readonly always: boolean
  /** Observed on the store itself; the server of this package does not simulate it. */
  readonly onlyReal?: true
}

/** The outcome of one fact, compared with what is known of the store. */
export type FactOutcome = 'holds' | 'known deviation' | 'skipped'

/**
 * Runs one fact on a store.
 *
 * @param deviations the known ones of this store @throws Error when the fact does not hold and no deviation
 * says so, or holds although a deviation says that it never does
 */
export async function runS3Fact(
  fact: S3Fact,
  target: S3Target,
  deviations: readonly S3Deviation[] = [],
): Promise<FactOutcome> {
  if (fact.needs?.(target) !== undefined) return 'skipped'
  const known = deviations.find((deviation) => deviation.fact === fact.id)
  const error = await failureOf(fact, target)
  if (error === undefined && known?.always === true) {
    throw new Error(`${fact.id} holds, although the store is known for this: ${known.instead}`)
  }
  if (error === undefined) return 'holds'
  if (known !== undefined) return 'known deviation'
  throw brokenFact(fact, error)
}

async function failureOf(fact: S3Fact, target: S3Target): Promise<unknown> {
  try {
    await fact.run({ ...target, prefix: `${target.prefix}${fact.id}/` })
    return undefined
  } catch (error) {
    return error ?? new Error('unknown')
  }
}

/** A client of the AWS SDK, as far as it is needed. */
export interface SdkClient {
  send(command: object): Promise<unknown>
}

/**
 * Makes a sender of a client of the AWS SDK.
 *
 * @param sdk the module `@aws-sdk/client-s3`
 * @example
 * ```ts
 * import * as sdk from '@aws-sdk/client-s3'
 * import { sdkSender, startS3Server } from '@sluice/fake-s3'
 *
 * const server = await startS3Server()
 * const send = sdkSender(new sdk.S3Client({ ...server.clientOptions(), maxAttempts: 1 }), sdk)
 * ```
 */
export function sdkSender(client: SdkClient, sdk: object): S3Send {
  return async (name, input) => {
    const command: unknown = Reflect.get(sdk, `${name}Command`)
    if (typeof command !== 'function')
      throw new TypeError(`Can't send ${name}: the SDK has no ${name}Command`)
    const made: unknown = Reflect.construct(command, [input])
    if (typeof made !== 'object' || made === null)
      throw new TypeError(`Can't send ${name}: no command was made`)
    return client.send(made)
  }
}
