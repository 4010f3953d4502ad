/** An object as GET gives it; HEAD gives the same with an empty content. */
export interface StoredObject {
  readonly content: string
  readonly sizeBytes: number
  /** Its user metadata. Only ASCII goes in. */
  readonly meta: Readonly<Record<string, string>>
  /** Epoch ms of the store's clock, whole seconds; absent where the store doesn't say. */
  readonly modifiedAt?: number
}

/** One request to the store. It takes effect at one instant, or never; or later than its sender thinks. */
export type StorageOp =
  /** PUT If-None-Match: *. */
  | { readonly do: 'create'; readonly key: string; readonly content: string; readonly meta: Meta }
  /** Plain PUT: only ever to empty an object whose name is never used again. */
  | { readonly do: 'empty'; readonly key: string; readonly meta: Meta }
  /** GET. */
  | { readonly do: 'read'; readonly key: string }
  /** HEAD. */
  | { readonly do: 'head'; readonly key: string }
  /** DELETE of each, in this order; not one piece. */
  | { readonly do: 'delete'; readonly keys: readonly string[] }
  /** No request: a short wait before an object is looked for again which others say is there. The caller ends by an error when it never comes. */
  | { readonly do: 'again'; readonly key: string }

export type Meta = Readonly<Record<string, string>>

/** What came back of a {@link StorageOp}. */
export interface StorageReply {
  /**
   * Of `create`. `unclear`: no answer, or one that says nothing; it may have taken effect, or may yet. `refused`: the store takes no object of
   * this key, now or ever.
   */
  readonly outcome?: 'created' | 'exists' | 'unclear' | 'refused'
  /** Of a `create` that was refused: the error. */
  readonly cause?: Error
  /** Of `read` and `look`; absent when there is no such object. */
  readonly object?: StoredObject
  /** The `x-amz-version-id` of an answer of success; absent where there is none, or it is `null`. */
  readonly versionId?: string
}

/**
 * A part of the protocol, written as a generator that yields its requests and is given the replies. It has no clock, no chance and no
 * I/O of its own, so that the model explorer runs the very code that runs against the store.
 */
export type Protocol<T> = Generator<StorageOp, T, StorageReply>

/** HEAD. */
export function* head(key: string): Protocol<StoredObject | undefined> {
  return (yield { do: 'head', key }).object
}

/** GET. */
export function* read(key: string): Protocol<StoredObject | undefined> {
  return (yield { do: 'read', key }).object
}

/** Plain DELETE of names that are never used again: late or twice, it harms nothing. */
export function* drop(...keys: readonly string[]): Protocol<void> {
  if (keys.length > 0) yield { do: 'delete', keys }
}

/** Before an object is looked for once more: a short wait, or the end of the call by an error that names it. */
export function* again(key: string): Protocol<void> {
  yield { do: 'again', key }
}

/** What {@link tryCreate} came to, if not `created`: the object in the way, or the store's refusal of the key. */
export type NotCreated =
  | { readonly is: 'taken'; readonly other: StoredObject | undefined }
  | { readonly is: 'refused'; readonly cause: Error }

/**
 * Creates an object unless its name is taken, and finds out for certain who did. Every object carries a `token` of its creator's:
 *
 * - an unclear answer (no reply, 5xx, 409) is neither success nor refusal: the token is read back;
 * - a clean refusal is read back too: the request may have arrived twice, the second time being refused for the first.
 *
 * When the object is gone by then, after a refusal, somebody else had it: the creator doesn't delete before it was told. An unclear
 * one that is not there is sent again; should the first land later, it finds the name taken, or carries the same token.
 *
 * @returns `created`, or the object that is in the way (without content; `undefined` when it has gone since)
 */
export function* createOnce(
  key: string,
  content: string,
  meta: Meta & { readonly token: string },
): Protocol<'created' | { readonly other: StoredObject | undefined }> {
  const end = yield* tryCreate(key, content, meta)
  if (end === 'created') return end
  if (end.is === 'refused') throw end.cause
  return { other: end.other }
}

/** As {@link createOnce}, for a key that the store may refuse for what it is. */
export function* tryCreate(
  key: string,
  content: string,
  meta: Meta & { readonly token: string },
): Protocol<'created' | NotCreated> {
  for (;;) {
    const { outcome, cause } = yield { do: 'create', key, content, meta }
    if (outcome === 'created') return 'created'
    if (outcome === 'refused')
      return { is: 'refused', cause: cause ?? new Error(`the store takes no key ${key}`) }
    const other = yield* head(key)
    if (other?.meta['token'] === meta.token) return 'created'
    if (other !== undefined || outcome === 'exists') return { is: 'taken', other }
  }
}
