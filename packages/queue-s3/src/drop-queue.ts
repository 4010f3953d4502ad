import { SluiceError, silentLogger, type DropOutcome, type DropQueueUse } from '@sluice/core'
import { checkOptions } from '@sluice/core/backend'
import { CHECK_EVERY_MS } from './format/format-watch.js'
import { RESERVED_PARTS } from './format/key-encoding.js'
import type { Layout } from './format/layout.js'
import { heldLeases } from './state/lease-list.js'
import { hasLeftovers } from './list-queues.js'
import { openBackend, placeOf, settleClock } from './open-s3-queue.js'
import { runProtocol } from './store/protocol-run.js'
import { droppingText, factsOf } from './format/queue-settings.js'
import { contended, openingError, placeText } from './store/s3-errors.js'
import { optionsSchema, type CheckedS3Options, type S3QueueOptions } from './s3-options.js'
import type { S3Store } from './store/s3-store.js'
import { createOnce, read, type Protocol } from './store/storage-op.js'

/**
 * After this time nothing begins without having read the new QUEUE; requests already under way have as long
 * again to land.
 */
const QUIET_MS = 2 * CHECK_EVERY_MS
/**
 * How often the folders are emptied until nothing is left. More are needed only while another program keeps
 * writing there.
 */
const MAX_PASSES = 5

/**
 * Removes a queue from a bucket: all objects in the folders of a queue under its root, and `QUEUE` last.
 *
 * The first step replaces `QUEUE` by one that no version opens. A process that has the queue open reads it at
 * most two seconds before it creates anything, and refuses from then on; so the drop waits for four seconds
 * before it deletes, and repeats until a pass finds nothing. After a kill at any point, the same call
 * continues. A request that was under way for longer leaves an object behind, which `listQueues` shows as
 * leftovers.
 *
 * @param options as for `openQueue`
 * @throws SluiceError as `openQueue` does
 */
export async function dropQueue(options: S3QueueOptions, use: DropQueueUse = {}): Promise<DropOutcome> {
  const checked = await checkOptions(optionsSchema, options, '@sluice/queue-s3')
  const { store, layout } = placeOf(checked)
  try {
    await settleClock(store, layout)
    return await new Drop({ checked, use, store, layout }).run()
  } catch (error) {
    throw openingError(error)
  } finally {
    store.close()
  }
}

interface DropParts {
  readonly checked: CheckedS3Options
  readonly use: DropQueueUse
  readonly store: S3Store
  readonly layout: Layout
}

/** One drop of one queue. */
class Drop {
  readonly #parts: DropParts
  #removed = 0

  constructor(parts: DropParts) {
    this.#parts = parts
  }

  async run(): Promise<DropOutcome> {
    const refusal = await this.#retire()
    if (refusal !== undefined) return refusal
    const isEmpty = await this.#deleteAll()
    if (!isEmpty) return { is: 'stopped', removed: this.#removed, unit: 'objects' }
    const { store, layout } = this.#parts
    await store.deleteAll([layout.settings()])
    this.#deleted(1)
    return { is: 'dropped', removed: this.#removed, unit: 'objects', notes: await this.#notes() }
  }

  /**
   * Takes the queue out of use.
   *
   * @returns why it was not
   */
  async #retire(): Promise<DropOutcome | undefined> {
    const { layout, store } = this.#parts
    const settings = await this.#run(read(layout.settings()))
    if (settings === undefined) return this.#retireLeftovers()
    const { state, name } = factsOf(settings.content)
    this.#assertNamed(name)
    if (state === 'dropping') return undefined
    const refusal = (await this.#refusal()) ?? (await this.#runningRefusal(state))
    if (refusal !== undefined) return refusal
    await this.#write(droppingText(this.#parts.checked.name))
    await store.runtime.sleep(QUIET_MS)
    // A process that took the lease between the check and the new QUEUE has lost nothing yet, and continues.
    const late = await this.#refusal()
    if (late !== undefined) await this.#write(settings.content)
    return late
  }

  /**
   * Objects without a queue: a process that opens it meanwhile creates a new one, or finds it being dropped.
   */
  async #retireLeftovers(): Promise<DropOutcome | undefined> {
    const { store, layout, checked } = this.#parts
    if (!(await hasLeftovers(store, layout.root))) return { is: 'absent' }
    const made = await this.#run(
      createOnce(layout.settings(), droppingText(checked.name), { token: store.runtime.newId() }),
    )
    return made === 'created' ? undefined : this.#retire()
  }

  /** A store that ignores case has another queue there. */
  #assertNamed(name: string | undefined): void {
    const { checked, store } = this.#parts
    if (name === undefined || name === checked.name) return
    throw new SluiceError(
      'SLUICE_CONFIG_INVALID',
      `Cannot drop the queue in ${placeText(store.place)}: the queue there is named ${JSON.stringify(name)}. Use that name`,
    )
  }

  async #refusal(): Promise<DropOutcome | undefined> {
    const leases = await heldLeases(this.#parts.store, this.#parts.layout.root)
    return leases.length > 0 ? { is: 'held', leases } : undefined
  }

  async #runningRefusal(state: 'ready' | 'unreadable'): Promise<DropOutcome | undefined> {
    if (this.#parts.use.withRunning === true) return undefined
    const listed = await this.#listedRunning()
    // Some of those listed may be moves of dead processes: the queue itself finishes them, and counts the
    // rest.
    const processing = listed === 0 || state !== 'ready' ? listed : await this.#countRunning()
    return processing > 0 ? { is: 'running', processing } : undefined
  }

  async #countRunning(): Promise<number> {
    const queue = await openBackend(this.#parts.checked, { reading: true })
    try {
      return await queue.size('PROCESSING', {})
    } finally {
      await queue.close()
    }
  }

  async #listedRunning(): Promise<number> {
    let count = 0
    for await (const page of this.#pages(this.#parts.layout.folder('PROCESSING')))
      count += page.filter(({ sizeBytes }) => sizeBytes > 0).length
    return count
  }

  async *#pages(prefix: string) {
    let after: string | undefined
    for (;;) {
      const page = await this.#parts.store.list({ prefix, ...(after === undefined ? {} : { after }) })
      yield page.objects
      after = page.objects.at(-1)?.key
      if (!page.more || after === undefined) return
    }
  }

  /** @returns whether it reached the end, and was not stopped */
  async #deleteAll(): Promise<boolean> {
    const { layout, store } = this.#parts
    const folders = [...RESERVED_PARTS]
      .filter((part) => part !== 'QUEUE')
      .map((part) => `${layout.root}${part}/`)
    for (let pass = 1; pass <= MAX_PASSES; pass++) {
      const before = this.#removed
      const failure = new AbortController()
      const ends = await Promise.allSettled(folders.map((folder) => this.#deleteFolder(folder, failure)))
      for (const end of ends) if (end.status === 'rejected') throw end.reason
      if (this.#parts.use.signal?.aborted === true) return false
      if (this.#removed === before) return true
    }
    throw contended(store.place, layout.root)
  }

  /**
   * The next page is listed while one is deleted, so two are in memory. One folder that fails stops the
   * others.
   */
  async #deleteFolder(folder: string, failure: AbortController): Promise<void> {
    const { use } = this.#parts
    let deletion = Promise.resolve()
    try {
      for await (const page of this.#pages(folder)) {
        await deletion
        if (use.signal?.aborted === true || failure.signal.aborted) break
        deletion = this.#deletePage(page.map(({ key }) => key))
        // It is awaited before the next one, or at the end; until then its failure must not be unhandled.
        deletion.catch(() => failure.abort())
      }
    } catch (error) {
      failure.abort()
      throw error
    } finally {
      await deletion
    }
  }

  async #deletePage(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return
    await this.#parts.store.deleteAll(keys)
    this.#deleted(keys.length)
  }

  #deleted(count: number): void {
    this.#removed += count
    this.#parts.use.onProgress?.({ removed: this.#removed, unit: 'objects' })
  }

  async #notes(): Promise<string[]> {
    const { store, layout } = this.#parts
    const others = await store.list({ prefix: layout.root, max: 1 })
    const versioning = await store.versioning()
    const place = placeText(store.place)
    return [
      ...(others.objects.length > 0 ? [`Objects that belong to no queue were left under ${place}.`] : []),
      ...(versioning === 'Enabled' || versioning === 'Suspended' ? [versionsNote(versioning, place)] : []),
    ]
  }

  #write(content: string): Promise<void> {
    return this.#parts.store.overwrite(this.#parts.layout.settings(), content)
  }

  #run<T>(protocol: Protocol<T>): Promise<T> {
    return runProtocol(this.#parts.store, protocol, { logger: silentLogger })
  }
}

function versionsNote(versioning: 'Enabled' | 'Suspended', place: string): string {
  return (
    `Versioning of the bucket is ${versioning.toLowerCase()}: it keeps old versions and delete markers under ${place}, and charges for them. A lifecycle rule ` +
    'for noncurrent versions and expired delete markers under that prefix removes them.'
  )
}
