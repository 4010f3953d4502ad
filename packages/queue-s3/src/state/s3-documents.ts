import type { DocumentVersion, Lease } from '@sluice/core'
import {
  compareBytes,
  type DocumentBackend,
  type DocumentCondition,
  type DocumentVerdict,
} from '@sluice/core/backend'
import type { QueueContext } from '../queue-context.js'
import { decodeDocumentFolder, encodeDocumentFolder } from '../format/key-encoding.js'
import { parseObject } from '../format/object-texts.js'
import { recentMap } from '../recent-map.js'
import { outOfStep } from '../store/s3-errors.js'
import { VersionChain, versionNumberOf, type Version } from './version-chain.js'

/**
 * Documents whose newest version is kept, so that reading an unchanged one is a LIST and no GET. Each may be
 * 1 MiB.
 */
const MAX_KNOWN = 32

/**
 * The documents of one queue, each a chain of versions. A removal is an empty version, so that numbers
 * continue after it [Q-DOC-2]. Under a lease, the lease is read right before the write: a holder that stalls
 * between the two can still write once [Q-DOC-3].
 */
export class S3Documents implements DocumentBackend {
  readonly #context: QueueContext
  readonly #isHeld: (lease: Lease) => Promise<boolean>
  readonly #chains = recentMap<VersionChain>(MAX_KNOWN)

  constructor(context: QueueContext, isHeld: (lease: Lease) => Promise<boolean>) {
    this.#context = context
    this.#isHeld = isHeld
  }

  async read(name: string): Promise<DocumentVersion | undefined> {
    const version = await this.#chain(name).latest()
    if (version === undefined || isRemoved(version)) return undefined
    const value = parseObject(version.content)?.['value']
    if (value === undefined) throw outOfStep(this.#context.store.place, version.key)
    return { value, version: version.number }
  }

  async write(name: string, text: string, { ifVersion, lease }: DocumentCondition): Promise<DocumentVerdict> {
    if (lease !== undefined && !(await this.#isHeld(lease))) return 'lease-lost'
    const chain = this.#chain(name)
    const patience = this.#context.store.patience()
    const version = await chain.latest(patience)
    const current = version === undefined || isRemoved(version) ? undefined : version.number
    if (current !== ifVersion) return 'other-version'
    const content = `${JSON.stringify({ sluice: 1, name }).slice(0, -1)},"value":${text}}`
    const isWritten = await chain.append(version?.number ?? 0, content, patience)
    return isWritten ? 'done' : 'other-version'
  }

  async remove(name: string, { ifVersion, lease }: DocumentCondition): Promise<DocumentVerdict> {
    if (lease !== undefined && !(await this.#isHeld(lease))) return 'lease-lost'
    const chain = this.#chain(name)
    const patience = this.#context.store.patience()
    for (;;) {
      const version = await chain.latest(patience)
      if (version === undefined || isRemoved(version)) return 'other-version'
      if (ifVersion !== undefined && version.number !== ifVersion) return 'other-version'
      if (await chain.append(version.number, '', patience)) return 'done'
      await chain.waitTurn(patience)
    }
  }

  /** A LIST for each thousand versions, of which each document keeps 39 at most [Q-DOC-4]. */
  async names(prefix: string): Promise<readonly string[]> {
    const { store, layout } = this.#context
    const root = layout.folder('DOCUMENTS')
    const newest = new Map<string, boolean>()
    let after = root
    for (;;) {
      const page = await store.list({ prefix: root + encodeDocumentFolder(prefix), after })
      for (const { key, sizeBytes } of page.objects) {
        after = key
        const end = key.lastIndexOf('/')
        const folder = key.slice(root.length, Math.max(root.length, end))
        // The newest is the first.
        if (versionNumberOf(key.slice(end + 1)) !== undefined && !newest.has(folder))
          newest.set(folder, sizeBytes > 0)
      }
      if (!page.more) break
    }
    const names = [...newest].flatMap(([folder, exists]) =>
      exists ? (decodeDocumentFolder(folder) ?? []) : [],
    )
    return names.filter((name) => name.startsWith(prefix)).toSorted(compareBytes)
  }

  #chain(name: string): VersionChain {
    const known = this.#chains.get(name)
    if (known !== undefined) return known
    const chain = new VersionChain(this.#context, `DOCUMENTS/${encodeDocumentFolder(name)}/`)
    this.#chains.set(name, chain)
    return chain
  }
}

function isRemoved({ content }: Version): boolean {
  return content === ''
}
