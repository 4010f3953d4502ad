import type { TroubleConcerns } from '@sluice/core'
import {
  isBrokenTemplate,
  isOfNamespace,
  meaningOf,
  meaningOfRead,
  type RefusalMeaning,
} from './refusal-words.js'
import { silenceText, type Answer, type ArgoError, type Reply } from './reply.js'

/**
 * What an answer means for the request.
 *
 * - `done`: it was done, and here is what came back
 * - `absent`: Argo says that there is no such thing
 * - `unknown`: it may have been done: ask for it by name
 * - `rejected`: it can never be done for this item
 * - `refused`: it isn't done now, and may be once the item, a policy or the template is changed; nothing was
 *   done
 * - `unavailable`: not now, and nothing was done
 * - `denied`: the credentials, or what they permit
 * - `misdirected`: what answered isn't an Argo Server
 * - `namespace-missing`: there is no such namespace, and nothing was done
 */
export type Verdict = { readonly kind: 'done'; readonly json: unknown } | Trouble

/** A verdict other than `done`. */
export interface Trouble {
  readonly kind: 'absent' | RefusalMeaning['kind']
  /** For messages, in the server's words where it had any. */
  readonly why: string
  /** Whose trouble it is. Absent: that isn't known [W-SEND-2]. */
  readonly concerns?: TroubleConcerns
  /** How long the server asked for no requests, in ms. */
  readonly retryAfterMs?: number
}

/** What an answer to a submit or create means. The rows are those of the server's own table of errors. */
export function judgeSend(reply: Reply): Verdict {
  if (reply.kind === 'silence') {
    const why = `no answer (${silenceText(reply)})`
    // The most important fault: it may be stored, and the answer lost on its way.
    return reply.unsent ? { kind: 'unavailable', why, concerns: 'worker' } : { kind: 'unknown', why }
  }
  const { status, error } = reply
  // What isn't a workflow wasn't written by Argo: a gateway's page, or a cut answer. The workflow may be
  // stored.
  if (isSuccess(reply)) return judgeSuccess(reply, 'unknown')
  if (status === 413)
    return trouble(reply, { kind: 'rejected', concerns: 'item' }, `it is too large (${said(reply)})`)
  if (error === undefined) return judgeForeignSend(reply)
  const meaning = meaningOf(status, error.message)
  const isBroken = meaning.kind === 'rejected' && isBrokenTemplate(error.message)
  return trouble(reply, meaning, isBroken ? `${said(reply)}. ${CONTROL_CHARACTERS}` : said(reply))
}

const CONTROL_CHARACTERS =
  "A value with control characters can't be put into a template: map it with `as: base64`, and decode it in the job"

/**
 * Not in Argo's words: a proxy in between, or another server. Whose trouble it is shows only by how other
 * sends end.
 */
function judgeForeignSend(reply: Answer): Trouble {
  const why = redirected(reply) ?? said(reply)
  if (reply.status !== 429) return trouble(reply, { kind: 'unknown' }, why)
  // The limiter comes before everything else: nothing was done. A page of the same status may come from any
  // proxy.
  return trouble(reply, { kind: reply.html ? 'unknown' : 'unavailable', concerns: 'capacity' }, why)
}

/** What an answer to a question means: a question changes nothing, so that no outcome is in doubt. */
export function judgeRead(reply: Reply): Verdict {
  if (reply.kind === 'silence') {
    const why = `no answer (${silenceText(reply)})`
    return { kind: 'unavailable', why, ...(reply.unsent ? { concerns: 'worker' } : {}) }
  }
  const { status, error } = reply
  if (isSuccess(reply)) return judgeSuccess(reply, 'misdirected')
  if (error === undefined) return judgeForeignRead(reply)
  if (status !== 404) return trouble(reply, meaningOfRead(status, error.message), said(reply))
  // It says nothing of what was asked for: the namespace may be mistyped in the settings.
  return isOfNamespace(error.message)
    ? trouble(reply, { kind: 'namespace-missing', concerns: 'worker' }, said(reply))
    : { kind: 'absent', why: said(reply) }
}

function judgeForeignRead(reply: Answer): Trouble {
  const { status } = reply
  const why = redirected(reply) ?? said(reply)
  if (status === 401 || status === 407) return trouble(reply, { kind: 'denied', concerns: 'worker' }, why)
  if (status === 429) return trouble(reply, { kind: 'unavailable', concerns: 'worker' }, why)
  // A firewall that refuses one name answers so too.
  const isPassing = status === 400 || status === 403 || status === 408 || status >= 500
  return trouble(reply, { kind: isPassing ? 'unavailable' : 'misdirected' }, why)
}

/** What an answer to a retry, a terminate or a delete means. It may be sent again in any case. */
export function judgeAction(reply: Reply): Verdict {
  const verdict = judgeRead(reply)
  if (reply.kind === 'silence' || reply.error === undefined) return verdict
  return isOver(reply.error) ? { kind: 'done', json: undefined } : verdict
}

/** It ended by itself just now, or was retried by others: there is nothing left to do. */
function isOver({ message }: ArgoError): boolean {
  return /cannot shutdown a completed workflow|cannot retry a workflow in phase/iu.test(message)
}

function isSuccess({ status }: Answer): boolean {
  return status >= 200 && status < 300
}

/** Outside of /api the server answers every request with 200 and its page. */
function judgeSuccess(reply: Answer, otherwise: 'unknown' | 'misdirected'): Verdict {
  if (!reply.html && reply.json !== undefined) return { kind: 'done', json: reply.json }
  return trouble(reply, { kind: otherwise }, reply.html ? said(reply) : `${said(reply)}, no JSON`)
}

function trouble({ retryAfterMs }: Answer, { kind, concerns }: RefusalMeaning, why: string): Trouble {
  return {
    kind,
    why,
    ...(concerns === undefined ? {} : { concerns }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  }
}

function redirected({ status, location }: Answer): string | undefined {
  if (status < 300 || status >= 400 || location === undefined) return undefined
  const target = URL.canParse(location) ? new URL(location) : undefined
  return `${status}, a redirect to ${target === undefined ? 'another path' : target.origin}`
}

/** The status, and the message that came with it. */
function said({ status, error, html, text }: Answer): string {
  const message = error?.message ?? (html ? 'with a web page' : text)
  return message === '' ? String(status) : `${status} ${message.slice(0, 500)}`
}
