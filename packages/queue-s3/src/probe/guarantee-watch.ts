import { SluiceError, isSluiceError, type Logger } from '@sluice/core'
import { LRUCache } from 'lru-cache'
import type { Patience } from '../store/sending/patience.js'
import type { ProbeFinding } from './probe-store.js'
import { closedMeanwhile, placeText, type S3Place } from '../store/s3-errors.js'
import type { S3Store } from '../store/s3-store.js'
import type { StorageOp, StorageReply } from '../store/storage-op.js'

/** How long the result of a probe is valid. */
const PROBE_EVERY_MS = 3_600_000
/** The minimum time between two probes while moves are stopped. */
const PROBE_AGAIN_MS = 5_000
const MAX_CLOSE_MS = 3_000
/**
 * Creations without a clear answer that have not been read back yet: at most as many as there are requests at
 * once.
 */
const MAX_UNCLEAR = 1_000

export interface GuaranteeWatchOptions {
  readonly store: S3Store
  readonly logger: Logger
  /** The quick probe. Rejects with SLUICE_CONFIG_INVALID on a store that is not safe. */
  readonly probe: () => Promise<ProbeFinding>
  /** Whether new leases and time lead to a probe, too. */
  readonly isScheduled: boolean
}

/**
 * `sound`: nothing speaks against the store. `doubted`: an answer does, and no probe has ended since.
 * `unsafe`: a probe does.
 */
type Trust = 'sound' | 'doubted' | 'unsafe'

/**
 * Watches whether the store continues to honour `If-None-Match`, which a bucket's owner can change under
 * running processes: Ceph 16 ignores it while versioning is enabled. Every write into such a bucket is
 * answered with a version id. So a creation answered with one, where the condition was not seen to hold for
 * versions, is not relied on; and no other begins until a probe has passed.
 *
 * A probe also follows each new lease, and an hour after the last one. Those run in the background.
 */
export class GuaranteeWatch {
  readonly #options: GuaranteeWatchOptions
  /** Called before an object is created; if it rejects, so does the creation. Set by the format watch. */
  beforeCreate: ((patience: Patience) => Promise<void>) | undefined
  #trust: Trust = 'sound'
  /** Why moves are stopped. */
  #reason: SluiceError | undefined
  #probing: Promise<void> | undefined
  #probedAtMonotonic: number
  /** Written versions that speak against the store. */
  #doubts = 0
  /** A probe has passed whose creations were all versions. */
  #holdsForVersions = false
  /** There was an answer without a version. */
  #sawNone = false
  /** Objects may be versions from an earlier time: reads say nothing new. */
  #readsTold = false
  /** Token by key. */
  readonly #unclear = new LRUCache<string, string>({ max: MAX_UNCLEAR })

  constructor(options: GuaranteeWatchOptions) {
    this.#options = options
    this.#probedAtMonotonic = this.#now()
  }

  /** The probe at the opening has passed. */
  passed({ isVersioned }: ProbeFinding): void {
    this.#probedAtMonotonic = this.#now()
    this.#holdsForVersions ||= isVersioned
    this.#sawNone ||= !isVersioned
  }

  /** This process has a lease that it did not have before. */
  leaseTaken(): void {
    if (this.#options.isScheduled) this.#startProbe()
  }

  /**
   * As the store's, for the requests of protocols. A creation waits for a probe under way.
   *
   * @throws SluiceError SLUICE_QUEUE_UNAVAILABLE while moves are stopped, and for a creation that others may
   * have made as well
   */
  async send(op: StorageOp, patience: Patience): Promise<StorageReply> {
    if (op.do === 'create') {
      await this.beforeCreate?.(patience)
      await this.#assertTrusted(patience)
    }
    const reply = await this.#options.store.send(op, patience)
    this.#observe(op, reply)
    if (this.#isOwnCreation(op, reply) && reply.versionId !== undefined)
      await this.#assertHoldsForVersions(op.key, patience)
    return reply
  }

  /** Waits a moment for a probe under way to delete its keys. To be called before the store is closed. */
  async close(): Promise<void> {
    await this.#probed(MAX_CLOSE_MS)
  }

  #observe(op: StorageOp, { outcome, object, versionId }: StorageReply): void {
    const isWrite = outcome === 'created' || op.do === 'empty'
    if (!isWrite && object === undefined) return
    if (versionId === undefined) {
      this.#sawNone = true
      return
    }
    if (this.#holdsForVersions || !this.#sawNone) return
    if (isWrite) this.#doubt()
    else if (this.#trust === 'sound' && !this.#readsTold) this.#doubt()
  }

  #doubt(): void {
    this.#doubts += 1
    if (this.#trust !== 'sound') return
    const { store, logger } = this.#options
    this.#trust = 'doubted'
    this.#reason = undefined
    logger.warn(
      { bucket: store.place.bucket },
      'answers of the store name versions now, and named none before: versioning was enabled on the bucket. Moves wait for a probe',
    )
    this.#startProbe()
  }

  async #assertTrusted(patience: Patience): Promise<void> {
    const { isScheduled, store } = this.#options
    const sinceMs = this.#now() - this.#probedAtMonotonic
    if (this.#trust === 'sound') {
      if (isScheduled && sinceMs >= PROBE_EVERY_MS) this.#startProbe()
      return
    }
    if (this.#reason === undefined || sinceMs >= PROBE_AGAIN_MS) this.#startProbe()
    await this.#verdict(patience)
    if (this.#isSound()) return
    throw movesStopped(store.place, this.#reason)
  }

  /** A probe that was awaited may have changed it. */
  #isSound(): boolean {
    return this.#trust === 'sound'
  }

  /**
   * For an own creation that is a version: where the condition is void there may be another one. A probe that
   * passes on a bucket whose versioning is off again proves nothing about it.
   */
  async #assertHoldsForVersions(key: string, patience: Patience): Promise<void> {
    if (this.#holdsForVersions || !this.#sawNone) return
    await this.#verdict(patience)
    const { place } = this.#options.store
    if (!this.#holdsForVersions) throw versionUntrusted(place, key, this.#reason)
  }

  /** Whether the reply shows an object that this process has created. */
  #isOwnCreation(op: StorageOp, { outcome, object }: StorageReply): op is StorageOp & { key: string } {
    if (op.do === 'create') {
      if (outcome === 'created') return true
      this.#unclear.set(op.key, op.meta['token'] ?? '')
      return false
    }
    if (op.do !== 'head') return false
    const token = this.#unclear.get(op.key)
    this.#unclear.delete(op.key)
    return token !== undefined && object?.meta['token'] === token
  }

  /** As long as one request may take. */
  async #verdict(patience: Patience): Promise<void> {
    const beganAtMonotonic = this.#now()
    await this.#probed(patience.timeoutMs)
    patience.spend(this.#now() - beganAtMonotonic)
  }

  /** No probe is under way, or `timeoutMs` have passed. */
  async #probed(timeoutMs: number): Promise<void> {
    if (this.#probing === undefined) return
    const wait = new AbortController()
    await Promise.race([this.#probing, this.#options.store.runtime.sleep(timeoutMs, wait.signal)])
    wait.abort()
  }

  #startProbe(): void {
    this.#probing ??= this.#probe().finally(() => {
      this.#probing = undefined
    })
  }

  /** It does not reject: its result is kept. */
  async #probe(): Promise<void> {
    let doubts
    do {
      doubts = this.#doubts
      try {
        this.#pass(await this.#options.probe(), doubts)
      } catch (error) {
        this.#fail(error)
        return
      } finally {
        this.#probedAtMonotonic = this.#now()
      }
      // A version was written meanwhile: the probe may have passed before versioning was enabled.
    } while (!this.#isSound() && doubts !== this.#doubts)
  }

  #pass({ isVersioned }: ProbeFinding, doubts: number): void {
    this.#holdsForVersions ||= isVersioned
    this.#sawNone ||= !isVersioned
    if (!this.#holdsForVersions && doubts !== this.#doubts) return
    if (this.#trust === 'sound') return
    this.#trust = 'sound'
    this.#reason = undefined
    this.#readsTold = true
    const { bucket } = this.#options.store.place
    this.#options.logger.info({ bucket }, 'a probe of the store has passed: moves go on')
  }

  /** An outage is no verdict: a trusted store stays so until the next probe. */
  #fail(error: unknown): void {
    const { logger, store } = this.#options
    const isVerdict = isSluiceError(error, 'SLUICE_CONFIG_INVALID')
    if (isSluiceError(error, 'SLUICE_QUEUE_CLOSED')) this.#reason = closedMeanwhile('probe', store.place)
    else if (isVerdict || this.#trust === 'doubted') this.#reason = isSluiceError(error) ? error : undefined
    if (!isVerdict || this.#trust === 'unsafe') return
    this.#trust = 'unsafe'
    logger.error(
      { err: error, bucket: store.place.bucket },
      'moves are stopped until a probe of the store passes',
    )
  }

  #now(): number {
    return this.#options.store.clock.monotonicMs()
  }
}

/**
 * SLUICE_QUEUE_UNAVAILABLE while no creation begins, since the store may no longer honour the condition.
 * Found at the opening this is a wrong setting; later it is one that was changed and can be changed back.
 *
 * @param reason why no probe has passed; absent while one is under way
 */
function movesStopped(place: S3Place, reason: SluiceError | undefined): SluiceError {
  if (reason?.code === 'SLUICE_QUEUE_CLOSED') return reason
  const why = reason?.message ?? `the probe of ${placeText(place)} has not ended in time`
  return new SluiceError(
    'SLUICE_QUEUE_UNAVAILABLE',
    `${MOVES_STOPPED}: ${why}. Moves go on by themselves once a probe passes, which is tried every few seconds`,
    { cause: reason },
  )
}

const MOVES_STOPPED = 'Moves are stopped, since two processes may claim one item'

/** SLUICE_QUEUE_UNAVAILABLE for an object that was created while the condition may have been void. */
function versionUntrusted(place: S3Place, key: string, reason: SluiceError | undefined): SluiceError {
  if (reason?.code === 'SLUICE_QUEUE_CLOSED') return reason
  const seen = reason === undefined ? '' : ` (${reason.message})`
  return new SluiceError(
    'SLUICE_QUEUE_UNAVAILABLE',
    `Cannot rely on the creation of ${JSON.stringify(key)} in ${placeText(place)}: its answer has an x-amz-version-id, as no answer had before, and ` +
      `no probe has shown that If-None-Match is honoured while versioning is enabled on the bucket${seen}. Suspend versioning of the bucket: moves go on by ` +
      'themselves once a probe passes. The object may be there: look it up before the call is repeated',
    { cause: reason },
  )
}
