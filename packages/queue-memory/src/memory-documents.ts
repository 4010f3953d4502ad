import {
  assertDocumentVersion,
  encodeJson,
  type DocumentRemoveOptions,
  type DocumentVersion,
  type JsonValue,
  type Lease,
  type QueueDocument,
} from '@sluice/core'

interface StoredDocument {
  /** Absent: it was removed, and its number must not come again [Q-DOC-2]. */
  readonly text?: string
  readonly version: number
}

/** The documents of one queue. */
export class DocumentTable {
  readonly #documents = new Map<string, StoredDocument>()

  read(name: string): DocumentVersion | undefined {
    const stored = this.#documents.get(name)
    if (stored?.text === undefined) return undefined
    const value: JsonValue = JSON.parse(stored.text)
    return { value, version: stored.version }
  }

  write(name: string, text: string, ifVersion: number | undefined): boolean {
    const stored = this.#documents.get(name)
    const current = stored?.text === undefined ? undefined : stored.version
    if (current !== ifVersion) return false
    this.#documents.set(name, { text, version: (stored?.version ?? 0) + 1 })
    return true
  }

  remove(name: string, ifVersion: number | undefined): boolean {
    const stored = this.#documents.get(name)
    if (stored?.text === undefined) return false
    if (ifVersion !== undefined && stored.version !== ifVersion) return false
    this.#documents.set(name, { version: stored.version + 1 })
    return true
  }

  names(prefix: string): string[] {
    const names = [...this.#documents].filter(([, { text }]) => text !== undefined).map(([name]) => name)
    return names.filter((name) => name.startsWith(prefix)).toSorted(byBytes)
  }
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

export interface DocumentAccess {
  readonly table: DocumentTable
  readonly maxBytes: number
  /** Throws once the queue object is closed, or when the lease is no longer held. */
  readonly assertUsable: (lease?: Lease) => void
}

/** A document as one queue object sees it. Each call is one synchronous step, the comparison of the lease included [Q-DOC-3]. */
export function memoryDocument(
  name: string,
  { table, maxBytes, assertUsable }: DocumentAccess,
): QueueDocument {
  return {
    name,
    read: async () => {
      assertUsable()
      return table.read(name)
    },
    write: async (value, { ifVersion, lease }) => {
      assertDocumentVersion(ifVersion)
      const text = encodeJson(value, maxBytes, 'value')
      assertUsable(lease)
      return table.write(name, text, ifVersion)
    },
    remove: async ({ ifVersion, lease }: DocumentRemoveOptions = {}) => {
      assertDocumentVersion(ifVersion)
      assertUsable(lease)
      return table.remove(name, ifVersion)
    },
  }
}
