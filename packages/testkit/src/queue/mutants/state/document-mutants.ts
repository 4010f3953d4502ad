import type { DocumentVersion, JsonValue, Queue, QueueDocument } from '@sluice/core'
import { wrapQueue } from '../../queue-wrapping.js'
import { brokenByCrash, brokenQueue, rewritten, unchecked, type QueueMutant } from '../queue-mutant.js'

const LONGEST_CHAIN = 50

/** Queues that keep documents wrongly. */
export const documentMutants: readonly QueueMutant[] = [
  documenting('document-cached', 'a document reads as it was read first', ['Q-DOC-1', 'Q-DOC-2'], () => {
    const cache = new Map<string, DocumentVersion | undefined>()
    return (document) => ({
      read: async () => {
        if (!cache.has(document.name)) cache.set(document.name, await document.read())
        return cache.get(document.name)
      },
    })
  }),
  documenting('document-as-text', 'values come back as text', ['Q-DOC-1', 'Q-DOC-1/a'], () => (document) => ({
    read: async () => {
      const found = await document.read()
      return found && { ...found, value: JSON.stringify(found.value) }
    },
  })),
  documenting(
    'document-unchecked',
    'documents take any value and any version',
    ['Q-DOC-1/b', 'Q-DOC-1/c', 'Q-DOWN-1/a'],
    () => (document) => ({
      write: (...args) => unchecked(document.write(...args), false),
      remove: (options) => unchecked(document.remove(options), false),
    }),
  ),
  brokenQueue({
    id: 'document-names-folded',
    title: 'names of documents that differ in case are one document',
    breaks: ['Q-DOC-1/d', 'Q-DOC-4'],
    change: () => (inner) => ({ document: (name) => inner.document(name.toLowerCase()) }),
  }),
  brokenQueue({
    id: 'document-names-cut',
    title: 'names of documents are cut after 100 characters',
    breaks: ['Q-DOC-1/d', 'Q-DOC-1/e'],
    change: () => (inner) => ({ document: (name) => inner.document(name.slice(0, 100)) }),
  }),
  brokenQueue({
    id: 'document-is-item',
    title: 'a document is kept as an item of its name',
    breaks: ['Q-DOC-1/f'],
    change: () => (inner) => ({
      document: (name) => {
        const document = inner.document(name)
        return {
          ...handedOn(document),
          write: async (...args) => {
            const isWritten = await document.write(...args)
            if (isWritten && args[1].ifVersion === undefined) await inner.put(name, args[0])
            return isWritten
          },
        }
      },
    }),
  }),
  brokenQueue({
    id: 'sweep-takes-documents',
    title: 'sweep takes documents for leftovers',
    breaks: ['Q-DOC-1/g'],
    change: () => (inner) => ({
      sweep: async (options) => {
        for (const name of await inner.documents()) await inner.document(name).remove()
        return (await inner.sweep?.(options)) ?? { repaired: 0, leftovers: 0, removed: 0 }
      },
    }),
  }),
  documenting(
    'document-version-ignored',
    'a write of any version is done',
    ['Q-DOC-2', 'Q-DOC-2/a', 'Q-DOC-2/b', 'Q-DOC-2/c', 'Q-DOC-2/d'],
    () => (document) => ({ write: (value) => overwrite(document, value) }),
  ),
  documenting(
    'document-versions-restart',
    'a document that was removed begins at version 1 again',
    ['Q-DOC-2/a'],
    () => {
      const bases = new Map<string, number>()
      return (document) => {
        const base = () => bases.get(document.name) ?? 0
        return {
          read: async () => {
            const found = await document.read()
            return found && { ...found, version: found.version - base() }
          },
          write: (value, { ifVersion, ...rest }) =>
            document.write(value, {
              ...rest,
              ifVersion: ifVersion === undefined ? undefined : ifVersion + base(),
            }),
          remove: async ({ ifVersion, ...rest } = {}) => {
            const version = (await document.read())?.version ?? 0
            const options = ifVersion === undefined ? rest : { ...rest, ifVersion: ifVersion + base() }
            const isRemoved = await document.remove(options)
            if (isRemoved) bases.set(document.name, version + 1)
            return isRemoved
          },
        }
      }
    },
  ),
  documenting(
    'document-chain-ends',
    `after ${LONGEST_CHAIN} writes the next ones are lost`,
    ['Q-DOC-2/e'],
    () => (document) => ({
      write: async (value, options) =>
        (options.ifVersion ?? 0) > LONGEST_CHAIN ? true : document.write(value, options),
    }),
  ),
  brokenByCrash({
    id: 'crash-in-write-halves',
    title: 'a process that dies in a write or a removal leaves half a value behind',
    breaks: ['Q-DOC-2/f', 'Q-DOC-2/g', 'Q-DOC-2/h'],
    damage: async (healthy, method) => {
      if (method !== 'document.write' && method !== 'document.remove') return
      for (const name of await healthy.documents()) await overwrite(healthy.document(name), 'half')
    },
  }),
  brokenQueue({
    id: 'documents-by-units',
    title: 'documents are listed in the order of UTF-16 units',
    breaks: ['Q-DOC-4'],
    change: () => (inner) => ({ documents: async (prefix) => (await inner.documents(prefix)).toSorted() }),
  }),
  brokenQueue({
    id: 'removed-documents-listed',
    title: 'documents that were removed are listed',
    breaks: ['Q-DOC-4', 'Q-DOC-1/d', 'Q-DOC-2/e', 'Q-DOC-2/h'],
    change: () => {
      const names = new Set<string>()
      return (inner) => ({
        document: (name) => {
          names.add(name)
          return inner.document(name)
        },
        documents: async (prefix = '') => {
          const listed = await inner.documents(prefix)
          return [
            ...listed,
            ...[...names].filter((name) => name.startsWith(prefix) && !listed.includes(name)),
          ]
        },
      })
    },
  }),
  brokenQueue({
    id: 'prefix-as-pattern',
    title: 'a prefix is a pattern, with % for any text and _ for any character',
    breaks: ['Q-DOC-4/a'],
    change: () => (inner) => ({
      documents: async (prefix = '') => {
        await inner.documents(prefix)
        const pattern = prefix
          .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
          .replaceAll('%', '.*')
          .replaceAll('_', '.')
        return (await inner.documents()).filter((name) => new RegExp(`^${pattern}`, 'u').test(name))
      },
    }),
  }),
  {
    id: 'documents-of-all',
    title: 'the documents of one queue are those of all in the store',
    breaks: ['Q-NAME-1/c'],
    wrap: (harness) => ({
      ...rewritten(harness, (queue) => queue),
      open: async (name = 'contract') => {
        const [own, all] = [await harness.open(name), await harness.open('all')]
        return wrapQueue(own, {
          document: (document) => all.document(document),
          documents: (prefix) => all.documents(prefix),
        })
      },
    }),
  },
]

/**
 * A mutant whose documents have some of their calls changed; `change` is called once for each Queue object.
 */
function documenting(
  id: string,
  title: string,
  breaks: readonly string[],
  ...[change]: readonly [() => (inner: QueueDocument) => Partial<QueueDocument>]
): QueueMutant {
  const perQueue = (inner: Queue) => {
    const changes = change()
    return {
      document: (name: string) => {
        const document = inner.document(name)
        return { ...handedOn(document), ...changes(document) }
      },
    }
  }
  return brokenQueue({ id, title, breaks, change: () => perQueue })
}

function handedOn(document: QueueDocument): QueueDocument {
  return {
    name: document.name,
    read: () => document.read(),
    write: (value, options) => document.write(value, options),
    remove: (options) => document.remove(options),
  }
}

/** Writes whatever the version is, trying until it is done. */
async function overwrite(document: QueueDocument, value: JsonValue): Promise<boolean> {
  for (let tries = 0; tries < 100; tries++) {
    const ifVersion = (await document.read())?.version
    if (await document.write(value, { ifVersion })) return true
  }
  return false
}
