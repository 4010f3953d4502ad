import type { Stage } from '@sluice/core'
import { encodeKey } from './key-encoding.js'
import { parseStint, type Stint } from './stint-name.js'

/** The prefixes of a queue. An empty object below a stage's prefix is a mark, never an item. */
export type Folder = Stage | 'ITEMS' | 'LEFT' | 'CONTROL' | 'LEASES'

/** Where the objects of one queue are. The format is documented in `docs/s3-layout.md`. */
export class Layout {
  /** With its slash at the end. */
  readonly root: string

  /** @param prefix the user's, with or without a slash at its end; may be empty */
  constructor(prefix: string, queue: string) {
    this.root = `${prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`}${encodeKey(queue)}/`
  }

  folder(folder: Folder): string {
    return `${this.root}${folder}/`
  }

  /** The object of a stint under a stage, or under LEFT. */
  at(folder: Stage | 'LEFT', name: string): string {
    return `${this.root}${folder}/${name}`
  }

  /** The index object of an id: it decides `put`, and holds the body. */
  index({ key, generation }: Pick<Stint, 'key' | 'generation'>): string {
    return `${this.root}ITEMS/${key}${generation === 1 ? '' : `.${generation}`}`
  }

  /** The object that says how many lanes the queue has. */
  settings(): string {
    return `${this.root}QUEUE`
  }

  /** The name below a folder, if it is that of a stint. */
  nameIn(folder: Stage | 'LEFT', key: string): { name: string; stint: Stint } | undefined {
    const name = key.slice(this.folder(folder).length)
    const stint = parseStint(name)
    return stint && { name, stint }
  }
}
