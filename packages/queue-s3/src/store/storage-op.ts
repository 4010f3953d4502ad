/** An object as GET returns it; HEAD returns the same with empty content. */
export interface StoredObject {
  readonly content: string
  readonly sizeBytes: number
  /** Its user metadata, ASCII only. */
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
  /** DELETE of each, in this order; not atomic. */
  | { readonly do: 'delete'; readonly keys: readonly string[] }
  /**
   * No request: a short wait before an object that others report to exist is read again. The call ends with
   * an error if it never appears.
   */
  | { readonly do: 'again'; readonly key: string }

export type Meta = Readonly<Record<string, string>>

/** The outcome of a {@link StorageOp}. */
export interface StorageReply {
  /**
   * Of `create`. `unclear`: no answer, or one that says nothing; it may have taken effect, or still may.
   * `refused`: the store accepts no object of this key, permanently.
   */
  readonly outcome?: 'created' | 'exists' | 'unclear' | 'refused'
  /** Of a refused `create`: the error. */
  readonly cause?: Error
  /** Of `read` and `head`; absent when there is no such object. */
  readonly object?: StoredObject
  /** The `x-amz-version-id` of a successful answer; absent where there is none, or it is `null`. */
  readonly versionId?: string
}

/**
 * A part of the protocol, written as a generator that yields requests and receives replies. It has no clock,
 * no randomness and no I/O of its own, so that the model explorer runs the very code that runs against the
 * store.
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

/** Plain DELETE of names that are never used again: late or repeated, it harms nothing. */
export function* drop(...keys: readonly string[]): Protocol<void> {
  if (keys.length > 0) yield { do: 'delete', keys }
}

/** Before an object is read once more: a short wait, or the end of the call with an error that names it. */
export function* again(key: string): Protocol<void> {
  yield { do: 'again', key }
}

/**
 * The outcome of {@link tryCreate} if not `created`: the existing object, or the store's refusal of the key.
 */
export type NotCreated =
  | { readonly is: 'taken'; readonly other: StoredObject | undefined }
  | { readonly is: 'refused'; readonly cause: Error }

/**
 * Creates an object unless its name is taken, and establishes for certain who did. Every object carries a
 * `token` of its creator:
 *
 * - an unclear answer (no reply, 5xx, 409) is neither success nor refusal: the token is read back;
 * - a clean refusal is read back too: the request may have arrived twice, the second time being refused for
 *   the first.
 *
 * When the object is gone by then, after a refusal, another process had it: a creator doesn't delete before
 * its creation is confirmed. After an unclear answer, a missing object is created again; should the first
 * request take effect later, it finds the name taken, or carries the same token.
 *
 * @returns `created`, or the existing object (without content; `undefined` when it is gone since)
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

/** As {@link createOnce}, for a key that the store may refuse. */
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
