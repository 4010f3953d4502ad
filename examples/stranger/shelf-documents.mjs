// The documents of a queue of one's own: small values by compare-and-set.
import * as core from '@sluice/core'

const MAX_BYTES = 1_048_576

/**
 * @param {Map<string, { text?: string, version: number }>} documents by name; one that was removed has no text
 * @param {{ now: () => number, assertHeld: (lease: any) => void }} queue the clock, which throws once the queue is closed
 */
export function shelfDocuments(documents, { now, assertHeld }) {
  /** @returns {core.QueueDocument} */
  const document = (title) => {
    core.assertDocumentName(title)
    const change = (ifVersion, lease, next) => {
      now()
      core.assertDocumentVersion(ifVersion)
      assertHeld(lease)
      const { version = 0, text } = documents.get(title) ?? {}
      if ((text === undefined ? undefined : version) !== ifVersion) return false
      documents.set(title, { text: next, version: version + 1 })
      return true
    }
    const read = () => {
      const found = (now(), documents.get(title))
      return found?.text === undefined ? undefined : { value: JSON.parse(found.text), version: found.version }
    }
    return {
      name: title,
      read: async () => read(),
      write: async (value, { ifVersion, lease }) =>
        change(ifVersion, lease, core.encodeJson(value, MAX_BYTES, 'value')),
      remove: async ({ ifVersion, lease } = {}) => {
        const version = read()?.version
        core.assertDocumentVersion(ifVersion)
        assertHeld(lease)
        if (version === undefined || (ifVersion ?? version) !== version) return false
        return change(version, lease)
      },
    }
  }
  const list = async (prefix = '') => {
    core.assertDocumentPrefix((now(), prefix))
    const kept = [...documents].filter(([title, { text }]) => text !== undefined && title.startsWith(prefix))
    return kept.map(([title]) => title).toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  }
  return { document, list }
}
