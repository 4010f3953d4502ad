import { silenceText, type Answer, type ArgoError, type Reply } from './reply.js'

/**
 * What an answer means for who asked.
 *
 * - `done`: it was done, and here is what came back
 * - `absent`: Argo says that there is no such thing
 * - `unknown`: it may have been done: ask for it by name
 * - `rejected`: it can never be done for this item
 * - `unavailable`: not now, and nothing was done
 * - `denied`: the credentials, or what they permit
 * - `misdirected`: whoever answered isn't an Argo Server
 * - `homeless`: there is no such namespace, and nothing was done
 */
export type Verdict =
  | { readonly kind: 'done'; readonly json: unknown }
  | ({ readonly kind: 'unavailable'; readonly retryAfterMs?: number } & Reason)
  | ({ readonly kind: 'absent' | 'unknown' | 'rejected' | 'denied' | 'misdirected' | 'homeless' } & Reason)

interface Reason {
  /** For people, in the server's words where it had any. */
  readonly why: string
}

/** What an answer to a submit or create means. The rows are those of the server's own table of errors. */
export function judgeSend(reply: Reply): Verdict {
  if (reply.kind === 'silence') {
    const why = `no answer (${silenceText(reply)})`
    // The most important fault: it may be stored, and the answer lost on its way.
    return reply.unsent ? { kind: 'unavailable', why } : { kind: 'unknown', why }
  }
  const { status, error } = reply
  if (status >= 200 && status < 300) return judgeSuccess(reply)
  if (status === 413) return { kind: 'rejected', why: `it is too large (${said(reply)})` }
  if (error === undefined) return judgeForeign(reply, 'unknown')
  return judgeSendError(reply, error)
}

function judgeSendError(reply: Answer, error: ArgoError): Verdict {
  const why = said(reply)
  switch (reply.status) {
    case 400:
      return judgeInvalid(error, why)
    case 401:
      return { kind: 'denied', why }
    case 403:
      return judgeForbidden(error, why)
    case 404:
      if (isOfNamespace(error)) return { kind: 'homeless', why }
      // Of a template that was made a moment ago, the server's cache may not know yet. No item fails for a template.
      return { kind: 'unavailable', why }
    case 409:
      // Also said of a quota that two requests counted at once: then nothing was stored. Only asking tells.
      return { kind: 'unknown', why }
    case 429:
      return isTooLarge(error) ? { kind: 'rejected', why } : { kind: 'unknown', why }
    case 501:
      return { kind: 'misdirected', why }
    default:
      return isCallersFault(error) ? { kind: 'rejected', why } : { kind: 'unknown', why }
  }
}

/**
 * A 400 of submit is a mistake in what was sent, or any trouble between the server and Kubernetes: it dresses both alike. What isn't
 * surely the first may be the second, and no item fails for that.
 */
function judgeInvalid({ message }: ArgoError, why: string): Verdict {
  if (TRANSPORT.test(message)) return { kind: 'unknown', why }
  if (BROKEN_TEMPLATE.test(message)) return { kind: 'rejected', why: `${why}. ${CONTROL_CHARACTERS}` }
  return INVALID.some((pattern) => pattern.test(message))
    ? { kind: 'rejected', why }
    : { kind: 'unknown', why }
}

/** A value stands in the template's JSON as it is: a control character makes it none. */
const BROKEN_TEMPLATE = /template replacement because the result was invalid JSON/u
const CONTROL_CHARACTERS =
  "A value with control characters can't be put into a template: map it with `as: base64`, and decode it in the job"

/** Go's words for a connection that failed, and for a server that had no time. */
const TRANSPORT =
  /\b(?:dial|read|write) (?:tcp|udp|unix)\b|connection (?:refused|reset|lost)|broken pipe|\bEOF\b|time(?:d)? ?out|deadline exceeded|context canceled|rate limiter|too many requests|TLS handshake|x509:|no such host|no route to host|GOAWAY|http2:|use of closed network|server misbehaving|unable to return a response|please try again|etcdserver: (?:leader|request timed|no leader|too many)|failed calling webhook|Unauthorized|^(?:Get|Post|Put|Patch) "?https?:/iu

const INVALID = [
  /^(?:spec|templates|metadata)[.[]/u,
  /\bspec\.arguments\./u,
  /\bfailed to resolve \{\{/u,
  / is required$/u,
  / is not unique$/u,
  / is invalid: /u,
  / should be present in .* enum list$/u,
  /must not be more than \d+ characters long/u,
  /is not supported for submitting$/u,
  /Request entity too large/u,
  /is invalid field in spec if workflow referred/u,
  /workflow body not specified/u,
  /namespace of the provided object does not match/u,
  /^(?:json|proto): /u,
  /cannot unmarshal|invalid character .* (?:in|after|looking for)/u,
  /^invalid spec: /u,
]

/** A quota that is used up frees itself again; everything else is for a person to permit. */
function judgeForbidden(error: ArgoError, why: string): Verdict {
  const passes = /exceeded quota/u.test(error.message) || isStarting(error)
  return passes ? { kind: 'unavailable', why } : { kind: 'denied', why }
}

/** A kube-apiserver that was just started hasn't read its roles yet, and denies what everybody may: to ask what one may. */
function isStarting({ message }: ArgoError): boolean {
  return /\bselfsubject(?:access|rules)reviews\b.* is forbidden/u.test(message)
}

/** Kubernetes' words, when something is to be made where there is nothing to make it in. */
function isOfNamespace({ message }: ArgoError): boolean {
  return /\bnamespaces "[^"]*" not found/u.test(message)
}

function isTooLarge({ message }: ArgoError): boolean {
  return /message larger than max|request is too large|entity too large/iu.test(message)
}

/** Mistakes of the caller that the server takes for its own. */
function isCallersFault(error: ArgoError): boolean {
  return isTooLarge(error) || /^expected (?:labels|annotations|parameter)s? of the form/iu.test(error.message)
}

/** What an answer to a question means: nothing of it leaves a doubt about what was done. */
export function judgeRead(reply: Reply): Verdict {
  if (reply.kind === 'silence') return { kind: 'unavailable', why: `no answer (${silenceText(reply)})` }
  const { status, error } = reply
  if (status >= 200 && status < 300) return judgeSuccess(reply)
  if (error === undefined) return judgeForeign(reply, 'unavailable')
  const why = said(reply)
  switch (status) {
    case 401:
      return { kind: 'denied', why }
    case 403:
      return { kind: isStarting(error) ? 'unavailable' : 'denied', why }
    case 404:
      // It says nothing of the one thing that was asked for: a namespace may be a slip in the settings.
      return { kind: isOfNamespace(error) ? 'homeless' : 'absent', why }
    case 501:
      return { kind: 'misdirected', why }
    default:
      return { kind: 'unavailable', why, ...leftAlone(reply) }
  }
}

/** What an answer to a retry, a terminate or a delete means. It may be sent again whatever it is. */
export function judgeAction(reply: Reply): Verdict {
  const verdict = judgeRead(reply)
  if (reply.kind === 'silence' || reply.error === undefined) return verdict
  // It ended by itself a moment ago, or was retried by somebody else: there is nothing left to do.
  const over = /cannot shutdown a completed workflow|cannot retry a workflow in phase/iu.test(
    reply.error.message,
  )
  return over ? { kind: 'done', json: undefined } : verdict
}

function judgeSuccess(reply: Answer): Verdict {
  // Outside of /api the server answers 200 with its page to whatever is asked.
  if (reply.html || reply.json === undefined) {
    return { kind: 'misdirected', why: reply.html ? said(reply) : `${said(reply)}, no JSON` }
  }
  return { kind: 'done', json: reply.json }
}

/** Not in Argo's words: a proxy in between, or another server. */
function judgeForeign(reply: Answer, doubt: 'unknown' | 'unavailable'): Verdict {
  const { status } = reply
  const why = said(reply)
  if (status === 401 || status === 403 || status === 407) return { kind: 'denied', why }
  // The limiter stands before everything else: nothing was done.
  if (status === 429) return { kind: 'unavailable', why, ...leftAlone(reply) }
  if (status === 408 || status >= 500) return { kind: doubt, why, ...leftAlone(reply) }
  if (status === 400) return { kind: doubt, why }
  return { kind: 'misdirected', why: redirected(reply) ?? why }
}

function redirected({ status, location }: Answer): string | undefined {
  if (status < 300 || status >= 400 || location === undefined) return undefined
  const target = URL.canParse(location) ? new URL(location) : undefined
  return `${status}, a redirect to ${target === undefined ? 'another path' : target.origin}`
}

function leftAlone({ retryAfterMs }: Answer): { readonly retryAfterMs?: number } {
  return retryAfterMs === undefined ? {} : { retryAfterMs }
}

/** The status, and what was said with it. */
function said({ status, error, html, text }: Answer): string {
  const message = error?.message ?? (html ? 'with a web page' : text)
  return message === '' ? String(status) : `${status} ${message.slice(0, 500)}`
}
