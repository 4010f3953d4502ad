import { assertDocumentVersion } from '../../checks/call-input.js'
import type { DocumentRemoveOptions, QueueDocument } from '../../items/document.js'
import type { Lease } from '../../items/lease.js'
import { encodeJson } from '../../json/json.js'
import type { DocumentBackend, DocumentVerdict } from './queue-backend.js'
import { leaseLost } from './queue-errors.js'

export interface FrontDocumentParts {
  readonly queue: string
  readonly documents: DocumentBackend
  readonly maxBytes: number
  readonly assertUsable: () => void
}

/** One document of a queue over its backend. */
export function frontDocument(name: string, parts: FrontDocumentParts): QueueDocument {
  const { queue, documents, maxBytes, assertUsable } = parts
  const isDone = (verdict: DocumentVerdict, lease: Lease | undefined): boolean => {
    if (verdict === 'lease-lost' && lease !== undefined) throw leaseLost(queue, lease)
    return verdict === 'done'
  }
  return {
    name,
    read: async () => {
      assertUsable()
      return documents.read(name)
    },
    write: async (value, { ifVersion, lease }) => {
      assertUsable()
      assertDocumentVersion(ifVersion)
      const text = encodeJson(value, maxBytes, 'value')
      return isDone(await documents.write(name, text, { ifVersion, lease }), lease)
    },
    remove: async ({ ifVersion, lease }: DocumentRemoveOptions = {}) => {
      assertUsable()
      assertDocumentVersion(ifVersion)
      return isDone(await documents.remove(name, { ifVersion, lease }), lease)
    },
  }
}
