import { codedAnswer, errorAnswer, type S3Answer, type S3ErrorCode } from './answer.js'

/**
 * A fault of one request. The store's own work is atomic: a request takes effect wholly or not at all, at an
 * instant that some of these choose.
 */
export type S3Fault =
  /** Takes effect when `until` settles, even long after its sender gave up. `reply: 'dropped'` closes the
   * connection at once.
   */
  | { readonly do: 'hold'; readonly until: Promise<unknown>; readonly reply?: 'kept' | 'dropped' }
  /**
   * Takes effect twice: now, and when `until` settles (default immediately). The sender gets the answer of
   * the one named, default the first.
   */
  | { readonly do: 'duplicate'; readonly until?: Promise<unknown>; readonly answer?: 'first' | 'second' }
  /** Never takes effect; the connection is closed. */
  | { readonly do: 'drop-request' }
  /** Takes effect; the connection is closed instead of an answer. */
  | { readonly do: 'drop-reply' }
  /** Gets this answer. Takes effect only if `applied`: the error is then false, as a 500 may be. */
  | { readonly do: 'answer'; readonly answer: S3Answer; readonly applied?: boolean }
  /**
   * Takes effect; these headers replace those of the answer, such as a wrong `date`. `undefined` removes one.
   */
  | { readonly do: 'alter'; readonly headers: Readonly<Record<string, string | undefined>> }
  /**
   * The sender's process dies: its connections are closed and this endpoint passes nothing more on.
   * `applied`: after this request took effect.
   */
  | { readonly do: 'crash'; readonly applied?: boolean }

/**
 * The fault of an answer by one of AWS's error codes, such as `SlowDown`, `InternalError`,
 * `ConditionalRequestConflict`, `ExpiredToken`.
 */
export function answerWith(code: S3ErrorCode, options: { readonly applied?: boolean } = {}): S3Fault {
  return { do: 'answer', answer: errorAnswer(code), ...options }
}

/** The fault of an answer by any status and code. */
export function answerWithStatus(status: number, code: string, message = code): S3Fault {
  return { do: 'answer', answer: codedAnswer({ status, code, message }) }
}
