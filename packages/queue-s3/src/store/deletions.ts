import { DeleteObjectCommand, DeleteObjectsCommand, type _Error as DeleteError } from '@aws-sdk/client-s3'
import { assertDeletions } from './answer-proof.js'
import { keysRefused } from './s3-errors.js'
import { isAccessDenied } from './s3-failures.js'
import type { Patience } from './sending/patience.js'
import type { S3Sender } from './sending/s3-sender.js'

const MAX_BATCH = 1_000
/** How often the deletion of single keys is retried: nothing depends on it. */
const MAX_DELETIONS = 4

/** DELETE of any number of keys: 1,000 to a request, or one by one where the store permits only that. */
export class Deletions {
  readonly #sender: S3Sender
  /** Ceph's radosgw requires another permission for it than for single DELETEs, on the bucket itself. */
  #batchRefused = false

  constructor(sender: S3Sender) {
    this.#sender = sender
  }

  /** @param timeoutMs for each request, if not the usual one */
  async all(keys: readonly string[], timeoutMs?: number): Promise<void> {
    for (let start = 0; start < keys.length; start += MAX_BATCH) {
      await this.#batch(keys.slice(start, start + MAX_BATCH), this.#sender.patience(timeoutMs))
    }
  }

  async #batch(keys: readonly string[], patience: Patience): Promise<void> {
    let left = keys
    while (left.length > 0 && !this.#batchRefused) {
      const refused = await this.#refusedOf(left, patience)
      left = refused.flatMap((error) => error.Key ?? [])
      this.#batchRefused ||= refused.some((error) => error.Code === 'AccessDenied')
      if (left.length > 0 && !this.#batchRefused)
        // The request was answered, and refuses these keys: a failure of its own kind.
        await this.#sender.waitOrThrow({ kind: 'delete single keys' }, patience, {
          errorOf: () => keysRefused(this.#sender.place, refused),
          maxTries: MAX_DELETIONS,
        })
    }
    await this.#singly(left, patience.timeoutMs)
  }

  /** Sends DeleteObjects; a refusal of the whole request is one of each key. */
  async #refusedOf(keys: readonly string[], patience: Patience): Promise<readonly DeleteError[]> {
    const Delete = { Objects: keys.map((Key) => ({ Key })), Quiet: false }
    const command = new DeleteObjectsCommand({ Bucket: this.#sender.place.bucket, Delete })
    return this.#sender.tried({ kind: 'delete', on: keys[0] }, patience, async (abortSignal) => {
      try {
        const answer = await this.#sender.client.send(command, { abortSignal })
        assertDeletions(answer, keys.length)
        const { Errors = [] } = answer
        return Errors.filter((error) => error.Code !== 'NoSuchKey')
      } catch (error) {
        if (!isAccessDenied(error)) throw error
        return keys.map((Key) => ({ Key, Code: 'AccessDenied' }))
      }
    })
  }

  /** Until one fails: the rest would only wait as long, and fail too. */
  async #singly(keys: readonly string[], timeoutMs: number): Promise<void> {
    const queue = keys.values()
    let failed: { readonly error: unknown } | undefined
    const work = async () => {
      for (const key of queue) {
        if (failed !== undefined) return
        try {
          await this.#one(key, this.#sender.patience(timeoutMs))
        } catch (error) {
          failed ??= { error }
        }
      }
    }
    // All have ended before the call does: none may take effect after its failure was reported.
    await Promise.all(Array.from({ length: Math.min(keys.length, this.#sender.concurrency) }, work))
    if (failed !== undefined) throw failed.error
  }

  async #one(Key: string, patience: Patience): Promise<void> {
    const command = new DeleteObjectCommand({ Bucket: this.#sender.place.bucket, Key })
    await this.#sender.found({ kind: 'delete', on: Key }, patience, async (abortSignal) => {
      await this.#sender.client.send(command, { abortSignal })
      return {}
    })
  }
}
