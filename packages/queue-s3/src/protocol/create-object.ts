import type { Layout } from '../format/layout.js'
import { parseAttemptKey } from '../format/attempt-key.js'
import {
  again,
  head,
  tryCreate,
  type Meta,
  type NotCreated,
  type Protocol,
  type StoredObject,
} from '../store/storage-op.js'

type Folder = 'WAITING' | 'PROCESSING' | 'SUCCESS' | 'FAIL' | 'LEFT'

/** An object in one of these folders is deleted only after one of the same name was created here. */
const FOLLOWED_BY = {
  WAITING: ['PROCESSING', 'SUCCESS'],
  PROCESSING: ['SUCCESS'],
  SUCCESS: [],
  FAIL: ['LEFT'],
  LEFT: [],
} as const satisfies Record<Folder, readonly Folder[]>

interface NewObject {
  readonly name: string
  readonly text: string
  readonly meta: Meta & { readonly token: string }
}

/**
 * Creates an attempt object, as `tryCreate` does. A store that reports the name as taken and then shows no
 * object is believed only if the object that must follow exists, or the item was removed. Otherwise the
 * create is repeated, and the call ends with an error that names the object.
 */
export function* tryCreateObject(
  layout: Layout,
  folder: Folder,
  { name, text, meta }: NewObject,
): Protocol<'created' | NotCreated> {
  const key = layout.at(folder, name)
  for (;;) {
    const end = yield* tryCreate(key, text, meta)
    if (end === 'created' || end.is === 'refused' || end.other !== undefined) return end
    for (const next of FOLLOWED_BY[folder]) if (yield* head(layout.at(next, name))) return end
    const attemptKey = parseAttemptKey(name)
    if (attemptKey !== undefined && (yield* head(layout.index(attemptKey)))?.sizeBytes === 0) return end
    yield* again(key)
  }
}

/**
 * The same, for a key that the store accepts.
 *
 * @returns `created`, or the existing object; `undefined` when it was deleted since
 */
export function* createObject(
  ...wanted: Parameters<typeof tryCreateObject>
): Protocol<'created' | { readonly other: StoredObject | undefined }> {
  const end = yield* tryCreateObject(...wanted)
  if (end === 'created') return end
  if (end.is === 'refused') throw end.cause
  return { other: end.other }
}
