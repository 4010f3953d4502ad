import type { Stage } from '@sluice/core'
import { encodeQueueName } from './key-encoding.js'
import { KeyLimits } from './key-limits.js'
import { isPutDone, parseAttemptKey, type AttemptKey } from './attempt-key.js'

/** The folders of a queue. An empty object below a stage's folder is a tombstone, never an item. */
export type Folder = Stage | 'ITEMS' | 'LEFT' | 'CHANGES' | 'SELECTIONS' | 'CONTROL' | 'LEASES' | 'DOCUMENTS'

const ATTEMPT_STEP = 4

/** Directly in the folder of a stage, or in that of a shard. */
const FOREIGN = /^(?:[0-9a-f]{2}\/)?[^/]+$/u

/** Where the objects of one queue are. The format is documented in `docs/s3-layout.md`. */
export class Layout {
  /** With its slash at the end. */
  readonly root: string
  readonly limits = new KeyLimits()
  /** Every how many attempts one is noted. */
  readonly attemptStep: number

  /** @param prefix the user's, with or without a trailing slash; may be empty */
  constructor(prefix: string, queue: string, attemptStep = ATTEMPT_STEP) {
    this.attemptStep = attemptStep
    this.root = `${prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`}${encodeQueueName(queue)}/`
  }

  folder(folder: Folder): string {
    return `${this.root}${folder}/`
  }

  /** The object of an attempt under a stage, or under LEFT. */
  at(folder: Stage | 'LEFT', name: string): string {
    return `${this.root}${folder}/${name}`
  }

  /** The index object of an id: it decides `put`, and holds the body. */
  index({ key, generation }: Pick<AttemptKey, 'key' | 'generation'>): string {
    return `${this.root}ITEMS/${key}${generation === 1 ? '' : `.${generation}`}`
  }

  /** The object that says where a search of an item with many attempts may begin. */
  latest({ key, generation }: Pick<AttemptKey, 'key' | 'generation'>): string {
    return `${this.root}ATTEMPTS/${key}${generation === 1 ? '' : `.${generation}`}`
  }

  /** The keys of an item whose first attempt has this name: the longest stage stands for all. */
  keysOf(attemptKey: Pick<AttemptKey, 'key' | 'generation'>, first: string): readonly string[] {
    return [this.index(attemptKey), this.at('PROCESSING', first)]
  }

  /**
   * The object that holds the new body of an update under way, where the update's decision has no room for
   * it.
   */
  change({ key }: Pick<AttemptKey, 'key'>, token: string): string {
    return `${this.root}CHANGES/${key}.${token}`
  }

  /** An object by which it is tried whether the store takes a name of this length. */
  trial(name: string): string {
    return `${this.root}CHANGES/${name.slice(name.indexOf('/') + 1)}`
  }

  /** The resources and the limit key that an `update` gave, by their tag. */
  selection(tag: string): string {
    return `${this.root}SELECTIONS/${tag}`
  }

  /** The object with the queue's settings. */
  settings(): string {
    return `${this.root}QUEUE`
  }

  /** The name below a folder, if it is that of an attempt which can be there. */
  nameIn(folder: Stage | 'LEFT', key: string): { name: string; attemptKey: AttemptKey } | undefined {
    const name = key.slice(this.folder(folder).length)
    const attemptKey = parseAttemptKey(name)
    if (attemptKey !== undefined && isPutDone(attemptKey) && folder !== 'SUCCESS' && folder !== 'LEFT')
      return undefined
    return attemptKey && { name, attemptKey }
  }

  /**
   * Whether a key that is no attempt's is where one should be. Unknown folders, and the empty objects by
   * which some programs mark a folder, are not: they are of other programs, or of a later draft of the
   * format.
   */
  isForeign(folder: Stage | 'LEFT', key: string): boolean {
    return FOREIGN.test(key.slice(this.folder(folder).length))
  }
}
