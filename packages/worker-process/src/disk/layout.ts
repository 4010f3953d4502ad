import { createHash } from 'node:crypto'
import { join, resolve } from 'node:path'
import type { JobRef, Runtime } from '@sluice/core'

/** Every path that belongs to one job. */
export interface JobPlace {
  readonly key: string
  /** The folder that stays where it is as long as the outputs are kept. */
  readonly home: string
  readonly jobFile: string
  readonly stdin: string
  readonly stdout: string
  readonly stderr: string
  readonly output: string
  /** Record: which process runs it. */
  readonly claim: string
  /** Begins the name of a second link to the job's file, which says the process group of its command. */
  readonly group: string
  /** Record: the kernel ended it because memory ran out. */
  readonly oom: string
  /** Record: how it ended, kept beside the outputs. */
  readonly exit: string
  /** Record: why it was told to end, kept beside the outputs. */
  readonly stop: string
  /** The index entry to be, made with the job: moved to its place it takes no room that could be missing. */
  readonly entry: string
  /**
   * Index entry: the queue has not stored the outcome yet. It is there before a claim, a stop or an ending
   * is.
   */
  readonly active: string
  /** Record: it is to end, and why. */
  readonly stopping: string
  /** Record: how it ended. */
  readonly ended: string
  /** Record in place of a home that was removed. */
  readonly gone: string
}

interface LayoutOptions {
  readonly dir: string
  readonly queue: string
  readonly runtime: Pick<Runtime, 'newId'>
}

/**
 * The folders of one queue under the worker's `dir`. A queue has its own, so that no other can see its jobs
 * [W-POLL-3].
 */
export class Layout {
  readonly root: string
  readonly active: string
  readonly stopping: string
  readonly ended: string
  readonly preparing: string
  /** Where supervisors note what they accept. */
  readonly journals: string
  readonly #queue: string
  readonly #runtime: Pick<Runtime, 'newId'>

  constructor({ dir, queue, runtime }: LayoutOptions) {
    this.#queue = queue
    this.#runtime = runtime
    this.root = join(resolve(dir), folderName(queue))
    this.active = join(this.root, 'active')
    this.stopping = join(this.root, 'stopping')
    this.ended = join(this.root, 'ended')
    this.preparing = join(this.root, 'preparing')
    this.journals = join(this.root, 'journals')
  }

  /** A path in `preparing` that no other call on this folder gives. */
  aside(name: string): string {
    return join(this.preparing, `${name}.${this.#runtime.newId()}`)
  }

  place(job: Pick<JobRef, 'uid' | 'attempt'>): JobPlace {
    return this.placeOf(hash([this.#queue, job.uid, job.attempt], 32))
  }

  placeOf(key: string): JobPlace {
    const shard = key.slice(0, 2)
    return {
      ...this.#files(key, join(this.root, 'jobs', shard, key)),
      gone: join(this.root, 'gone', shard, key),
    }
  }

  #files(key: string, home: string): Omit<JobPlace, 'gone'> {
    return {
      key,
      home,
      jobFile: join(home, 'job.json'),
      stdin: join(home, 'stdin'),
      stdout: join(home, 'stdout'),
      stderr: join(home, 'stderr'),
      output: join(home, 'output'),
      claim: join(home, 'claim'),
      group: join(home, 'group.'),
      oom: join(home, 'oom'),
      exit: join(home, 'exit'),
      stop: join(home, 'stop'),
      entry: join(home, 'entry'),
      active: join(this.active, key),
      stopping: join(this.stopping, key),
      ended: join(this.ended, key),
    }
  }
}

/** Readable by its first part, unique by its second. */
function folderName(queue: string): string {
  const readable = queue.toLowerCase().replaceAll(/[^a-z0-9]+/gu, '-')
  return `${readable.slice(0, 40)}-${hash([queue], 16)}`
}

function hash(parts: readonly (string | number)[], length: number): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, length)
}
