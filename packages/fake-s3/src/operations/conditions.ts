import { errorAnswer, type S3Answer } from '../server/answer.js'
import type { StoredObject } from '../store/object-store.js'
import type { S3Rules } from '../rules.js'

/** The conditions of a request, as its headers say them. */
export interface Conditions {
  readonly ifMatch: string | undefined
  readonly ifNoneMatch: string | undefined
}

/** What a condition is judged against. */
export interface Judged {
  readonly conditions: Conditions
  readonly current: StoredObject | undefined
  /** The number of the last change when the request arrived: a later one is a race. */
  readonly seenChange: number
  /** The bucket's versioning is enabled. */
  readonly versioned: boolean
}

/** The refusal of a PUT (or of a copy, by its target), or `undefined` when it may go on. */
export function putRefusal(judged: Judged, rules: S3Rules): S3Answer | undefined {
  const { ifMatch, ifNoneMatch } = judged.conditions
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined
  if (judged.versioned && rules.conditionsWhileVersioned === 'void') return undefined
  return (
    notImplemented(judged.conditions, rules) ?? absenceRefusal(judged, rules) ?? matchRefusal(judged, rules)
  )
}

function notImplemented({ ifMatch, ifNoneMatch }: Conditions, rules: S3Rules): S3Answer | undefined {
  if (ifNoneMatch !== undefined && rules.putIfNoneMatch === 'not-implemented')
    return unimplemented('If-None-Match')
  if (ifMatch !== undefined && rules.putIfMatch === 'not-implemented') return unimplemented('If-Match')
  if (rules.oddConditions === 'taken') return undefined
  if (ifMatch !== undefined && ifNoneMatch !== undefined) return unimplemented('If-Match')
  if (ifNoneMatch !== undefined && ifNoneMatch !== '*') return unimplemented('If-None-Match')
  return ifMatch === '*' ? unimplemented('If-Match') : undefined
}

function unimplemented(header: string): S3Answer {
  return errorAnswer('NotImplemented', { fields: { Header: header } })
}

function absenceRefusal(judged: Judged, rules: S3Rules): S3Answer | undefined {
  const { ifNoneMatch } = judged.conditions
  if (ifNoneMatch === undefined || rules.putIfNoneMatch === 'ignored') return undefined
  if (judged.current === undefined || !matches(ifNoneMatch, judged.current)) return undefined
  return lost(judged, rules, 'If-None-Match')
}

function matchRefusal(judged: Judged, rules: S3Rules): S3Answer | undefined {
  const { ifMatch } = judged.conditions
  if (ifMatch === undefined || rules.putIfMatch === 'ignored') return undefined
  if (judged.current === undefined) return errorAnswer(rules.putIfMatchOfNothing)
  const quotedWrongly = rules.putIfMatch === 'unquoted-only' && ifMatch.startsWith('"')
  if (!quotedWrongly && matches(ifMatch, judged.current)) return undefined
  return lost(judged, rules, 'If-Match')
}

/**
 * The refusal of a condition that doesn't hold: another one when the object was written while the request was
 * under way.
 */
function lost(judged: Judged, rules: S3Rules, condition: string): S3Answer {
  const raced = (judged.current?.change ?? 0) > judged.seenChange
  if (raced && rules.raceLosers !== 'PreconditionFailed') return errorAnswer(rules.raceLosers)
  return failed(condition)
}

/** The refusal of a DELETE, or of a key in a batch of them. */
export function deleteRefusal(
  ifMatch: string | undefined,
  current: StoredObject | undefined,
): S3Answer | undefined {
  if (ifMatch === undefined) return undefined
  if (current === undefined) return errorAnswer('NoSuchKey')
  return matches(ifMatch, current) ? undefined : failed('If-Match')
}

/** The refusal of a read, or of a copy by its source: 304 or 412. */
export function readRefusal(
  { ifMatch, ifNoneMatch }: Conditions,
  current: StoredObject,
  unchanged: S3Answer,
): S3Answer | undefined {
  if (ifMatch !== undefined && !matches(ifMatch, current)) return failed('If-Match')
  return ifNoneMatch !== undefined && matches(ifNoneMatch, current) ? unchanged : undefined
}

/** The 412 that names its condition. */
export function failed(condition: string): S3Answer {
  return errorAnswer('PreconditionFailed', { fields: { Condition: condition } })
}

/** ETags are compared without quotes: AWS takes both ways of writing them. */
function matches(condition: string, object: StoredObject): boolean {
  if (condition.trim() === '*') return true
  return condition.split(',').some((one) => unquoted(one) === object.etag)
}

function unquoted(etag: string): string {
  return etag.trim().replace(/^W\//, '').replaceAll('"', '')
}
