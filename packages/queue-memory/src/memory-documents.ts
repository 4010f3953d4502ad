import type { DocumentVersion, JsonValue, Lease } from '@sluice/core'
import type { DocumentBackend, DocumentCondition, DocumentVerdict } from '@sluice/core/backend'

interface StoredDocument {
  /** Absent: it was removed, and its number must not come again [Q-DOC-2]. */
  readonly text?: string
  readonly version: number
}

/** The documents of one queue. */
export class DocumentTable {
  readonly #documents = new Map<string, StoredDocument>()

  /** Each call is one synchronous step, the comparison of the lease included [Q-DOC-3]. */
  backend(isHeld: (lease: Lease) => boolean): DocumentBackend {
    const under = (
      { lease, ifVersion }: DocumentCondition,
      change: (ifVersion: number | undefined) => boolean,
    ) => {
      if (lease !== undefined && !isHeld(lease)) return 'lease-lost'
      return change(ifVersion) ? 'done' : 'other-version'
    }
    return {
      read: (name) => this.read(name),
      write: (name, text, condition): DocumentVerdict =>
        under(condition, (ifVersion) => this.write(name, text, ifVersion)),
      remove: (name, condition): DocumentVerdict =>
        under(condition, (ifVersion) => this.remove(name, ifVersion)),
      names: (prefix) => this.names(prefix),
    }
  }

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
