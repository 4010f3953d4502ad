import {
  assertDocumentName,
  assertDocumentPrefix,
  assertDocumentVersion,
  encodeJson,
  type DocumentVersion,
  type Lease,
  type QueueDocument,
} from '@sluice/core'
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

export interface DocumentRules {
  readonly maxBytes: number
  /** Throws once the queue object is closed. */
  readonly assertOpen: () => void
  /** Throws when the lease is no longer held. */
  readonly assertHeld: (lease: Lease | undefined) => Promise<void>
}

/**
 * The documents of one queue, each a chain of versions. A removal is an empty version, so that numbers
 * continue after it [Q-DOC-2]. Under a lease, the lease is read right before the write: a holder that stalls
 * between the two can still write once [Q-DOC-3].
 */
export class S3Documents {
  readonly #context: QueueContext
  readonly #rules: DocumentRules
  readonly #chains = recentMap<VersionChain>(MAX_KNOWN)

  constructor(context: QueueContext, rules: DocumentRules) {
    this.#context = context
    this.#rules = rules
  }

  document(name: string): QueueDocument {
    assertDocumentName(name)
    const { maxBytes, assertOpen, assertHeld } = this.#rules
    return {
      name,
      read: async () => {
        assertOpen()
        return this.#read(name)
      },
      write: async (value, { ifVersion, lease }) => {
        assertDocumentVersion(ifVersion)
        const valueText = encodeJson(value, maxBytes, 'value')
        assertOpen()
        await assertHeld(lease)
        return this.#write(name, ifVersion, valueText)
      },
      remove: async ({ ifVersion, lease } = {}) => {
        assertDocumentVersion(ifVersion)
        assertOpen()
        await assertHeld(lease)
        return this.#remove(name, ifVersion)
      },
    }
  }

  /** A LIST for each thousand versions, of which each document keeps 39 at most [Q-DOC-4]. */
  async names(prefix = ''): Promise<readonly string[]> {
    assertDocumentPrefix(prefix)
    this.#rules.assertOpen()
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
    return names.filter((name) => name.startsWith(prefix)).toSorted(byBytes)
  }

  async #read(name: string): Promise<DocumentVersion | undefined> {
    const version = await this.#chain(name).latest()
    if (version === undefined || isRemoved(version)) return undefined
    const value = parseObject(version.content)?.['value']
    if (value === undefined) throw outOfStep(this.#context.store.place, version.key)
    return { value, version: version.number }
  }

  async #write(name: string, ifVersion: number | undefined, valueText: string): Promise<boolean> {
    const chain = this.#chain(name)
    const patience = this.#context.store.patience()
    const version = await chain.latest(patience)
    const current = version === undefined || isRemoved(version) ? undefined : version.number
    if (current !== ifVersion) return false
    const text = `${JSON.stringify({ sluice: 1, name }).slice(0, -1)},"value":${valueText}}`
    return chain.append(version?.number ?? 0, text, patience)
  }

  async #remove(name: string, ifVersion: number | undefined): Promise<boolean> {
    const chain = this.#chain(name)
    const patience = this.#context.store.patience()
    for (;;) {
      const version = await chain.latest(patience)
      if (version === undefined || isRemoved(version)) return false
      if (ifVersion !== undefined && version.number !== ifVersion) return false
      if (await chain.append(version.number, '', patience)) return true
      await chain.waitTurn(patience)
    }
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

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
