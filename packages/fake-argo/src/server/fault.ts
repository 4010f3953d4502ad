import type { ArgoAnswer } from './answer.js'
import type { ArgoRequest } from './request.js'
import { troubleAnswer, type ArgoTrouble } from './trouble.js'

/**
 * A fault of one request. The server's own work is atomic: a request takes effect wholly or not at all, at an
 * instant that some of these choose.
 */
export type ArgoFault =
  /** Takes effect after `ms` of the server's clock. */
  | { readonly do: 'delay'; readonly ms: number }
  /**
   * Takes effect when `until` settles, even long after its sender gave up. `reply: 'dropped'` closes the
   * connection at once.
   */
  | { readonly do: 'hold'; readonly until: Promise<unknown>; readonly reply?: 'kept' | 'dropped' }
  /** Takes effect now; the answer comes when `until` settles. */
  | { readonly do: 'hold-reply'; readonly until: Promise<unknown> }
  /**
   * Takes effect twice: now, and when `until` settles (default immediately). The sender gets the answer of
   * the one named, default the first.
   */
  | { readonly do: 'duplicate'; readonly until?: Promise<unknown>; readonly answer?: 'first' | 'second' }
  /**
   * Takes effect; the first bytes of the answer's body come one by one, with a gap between them, and then
   * nothing more, and no end. In real time.
   */
  | { readonly do: 'trickle-reply'; readonly bytes: number; readonly everyMs: number }
  /** Never takes effect; the connection is closed. */
  | { readonly do: 'drop-request' }
  /** Takes effect; the connection is closed instead of an answer. */
  | { readonly do: 'drop-reply' }
  /** Takes effect; the connection is closed after the first bytes of the answer's body. */
  | { readonly do: 'cut-reply'; readonly afterBytes: number }
  /**
   * Gets this answer. Takes effect only if `applied`: an error is then false, as a 500 or a 504 may be.
   */
  | {
      readonly do: 'answer'
      readonly answer: ArgoAnswer | ((request: ArgoRequest, now: number) => ArgoAnswer)
      readonly applied?: boolean
    }
  /**
   * Takes effect as `request` makes it, and is answered as `answer` makes it: as by a proxy in between, or by
   * another server.
   */
  | {
      readonly do: 'rewrite'
      readonly request?: (request: ArgoRequest) => ArgoRequest
      /** Not for a watch, whose answer is a stream. */
      readonly answer?: (answer: ArgoAnswer, request: ArgoRequest) => ArgoAnswer
    }
  /**
   * The sender's process dies: its connections are closed and this endpoint passes nothing more on.
   * `applied`: after this request took effect.
   */
  | { readonly do: 'crash'; readonly applied?: boolean }

/** The fault of an answer of real servers, and of the proxies before them. */
export function answerWith(trouble: ArgoTrouble, options: TroubleOptions = {}): ArgoFault {
  const { applied, headers } = options
  return {
    do: 'answer',
    answer: (request, now) => {
      const answer = troubleAnswer(trouble, request, now)
      return { ...answer, headers: { ...answer.headers, ...headers } }
    },
    ...(applied === undefined ? {} : { applied }),
  }
}

/** The options of an answer that is known by name. */
export interface TroubleOptions {
  /** The request takes effect too. */
  readonly applied?: boolean
  /** More headers, such as `retry-after`. */
  readonly headers?: Readonly<Record<string, string>>
}

/** The fault of any answer. */
export function answerWithStatus(
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = { 'content-type': 'application/json' },
): ArgoFault {
  return { do: 'answer', answer: { status, headers, body } }
}
