import { encodeDocumentFolder, encodeKey } from './key-encoding.js'
import { parseEntry, parseObject, parseState } from './object-texts.js'
import { parseAttemptKey } from './attempt-key.js'

const INDEX = /^([a-z0-9_-]+)(?:\.[1-9]\d*)?$/u

/**
 * Whether the content itself proves that it belongs to the object of this key: complete JSON of this format,
 * with the id and uid of the key. Of foreign objects, such as scratch objects, nothing is known.
 *
 * @param path the key below the root of the queue
 */
export function isOf(path: string, content: string): boolean {
  const slash = path.indexOf('/')
  const name = path.slice(slash + 1)
  switch (slash < 0 ? path : path.slice(0, slash)) {
    case 'ITEMS':
      return isIndexOf(name, content)
    case 'WAITING':
    case 'PROCESSING':
    case 'SUCCESS':
    case 'FAIL':
      return isStateOf(name, content)
    case 'DOCUMENTS':
      return isDocumentOf(name, content)
    case 'QUEUE':
    case 'LEFT':
    case 'CHANGES':
    case 'SELECTIONS':
    case 'CONTROL':
    case 'LEASES':
      return parseObject(content)?.['sluice'] === 1
    default:
      return true
  }
}

function isIndexOf(name: string, content: string): boolean {
  const key = INDEX.exec(name)?.[1]
  if (key === undefined) return true
  const entry = parseEntry(content)
  return entry !== undefined && encodeKey(entry.id) === key && entry.first.includes(entry.uid)
}

/** A state written by a process that found nothing left of the item has no id. */
function isStateOf(name: string, content: string): boolean {
  const attemptKey = parseAttemptKey(name)
  if (attemptKey === undefined) return true
  const found = parseState(content)
  const { uid = attemptKey.uid, attempt = attemptKey.attempt } = parseObject(content) ?? {}
  // A release writes the state of the attempt that it ended.
  const isOfAttempt = attempt === attemptKey.attempt || attempt === attemptKey.attempt - 1
  if (found === undefined || uid !== attemptKey.uid || !isOfAttempt) return false
  return found.id === '' || encodeKey(found.id) === attemptKey.key
}

function isDocumentOf(name: string, content: string): boolean {
  const fields = parseObject(content)
  const { sluice, name: written } = fields ?? {}
  if (sluice !== 1 || typeof written !== 'string') return false
  return encodeDocumentFolder(written) === name.slice(0, name.lastIndexOf('/'))
}
