import type { StoredObject } from '../storage-op.js'

/** What the metadata of an update's decision have as `to`. */
export const UPDATED = 'UPDATED'

/** Whether an object under PROCESSING or SUCCESS is that of an update: empty, and it names the stint that the item waits in from then on. */
export function isUpdate({ sizeBytes, meta }: StoredObject): boolean {
  return sizeBytes === 0 && meta['to'] === UPDATED
}
