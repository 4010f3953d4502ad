import type { Stage } from '@sluice/core'
import { encodeQueueName } from './key-encoding.js'
import { KeyLimits } from './key-limits.js'
import { isPutDone, parseAttemptKey, type AttemptKey } from './attempt-key.js'

/** The prefixes of a queue. An empty object below a stage's prefix is a mark, never an item. */
export type Folder = Stage | 'ITEMS' | 'LEFT' | 'CHANGES' | 'CONTROL' | 'LEASES' | 'DOCUMENTS'

const ATTEMPT_STEP = 4

/** Directly in the folder of a stage, or in that of a shard. */
const FOREIGN = /^(?:[0-9a-f]{2}\/)?[^/]+$/u

/** Where the objects of one queue are. The format is documented in `docs/s3-layout.md`. */
export class Layout {
  /** With its slash at the end. */
  readonly root: string
  readonly limits = new KeyLimits()
  /** Of how many attempts one is noted. */
  readonly attemptStep: number

  /** @param prefix the user's, with or without a slash at its end; may be empty */
  constructor(prefix: string, queue: string, attemptStep = ATTEMPT_STEP) {
    this.attemptStep = attemptStep
    this.root = `${prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`}${encodeQueueName(queue)}/`
  }

  folder(folder: Folder): string {
    return `${this.root}${folder}/`
  }

  /** The object of a attempt under a stage, or under LEFT. */
  at(folder: Stage | 'LEFT', name: string): string {
    return `${this.root}${folder}/${name}`
  }

  /** The index object of an id: it decides `put`, and holds the body. */
  index({ key, generation }: Pick<AttemptKey, 'key' | 'generation'>): string {
    return `${this.root}ITEMS/${key}${generation === 1 ? '' : `.${generation}`}`
  }

  /** The object that says of an item with many attempts where a search may begin. */
  latest({ key, generation }: Pick<AttemptKey, 'key' | 'generation'>): string {
    return `${this.root}ATTEMPTS/${key}${generation === 1 ? '' : `.${generation}`}`
  }

  /** The keys of an item whose first attempt has this name, the longest of those under the stages for all. */
  keysOf(attemptKey: Pick<AttemptKey, 'key' | 'generation'>, first: string): readonly string[] {
    return [this.index(attemptKey), this.at('PROCESSING', first)]
  }

  /** The object that holds the new body of an update that is under way, where that is too long for the update's decision. */
  change({ key }: Pick<AttemptKey, 'key'>, token: string): string {
    return `${this.root}CHANGES/${key}.${token}`
  }

  /** The object that says how the queue is laid out. */
  settings(): string {
    return `${this.root}QUEUE`
  }

  /** The name below a folder, if it is that of a attempt which can be there. */
  nameIn(folder: Stage | 'LEFT', key: string): { name: string; attemptKey: AttemptKey } | undefined {
    const name = key.slice(this.folder(folder).length)
    const attemptKey = parseAttemptKey(name)
    if (attemptKey !== undefined && isPutDone(attemptKey) && folder !== 'SUCCESS' && folder !== 'LEFT')
      return undefined
    return attemptKey && { name, attemptKey }
  }

  /**
   * Whether a key that is no name of an attempt is where one should be. Folders that are unknown here, and the empty objects by which some
   * programs mark a folder, are not: they are somebody else's, or of a later draft of the format.
   */
  isForeign(folder: Stage | 'LEFT', key: string): boolean {
    return FOREIGN.test(key.slice(this.folder(folder).length))
  }
}
