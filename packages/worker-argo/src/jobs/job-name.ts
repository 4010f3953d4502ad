import { hash } from 'node:crypto'
import type { JobRef } from '@sluice/core'

/**
 * The labels and annotations of a job's workflow. The prefix is a single DNS label, so that no foreign domain
 * is claimed.
 */
export const LABELS = {
  /** Of the queue, for selectors. */
  queue: 'sluice/queue',
  /** Of the one job: a hash of queue, uid and attempt. */
  job: 'sluice/job',
  /** Of the item, to read: the same for all of its attempts. */
  item: 'sluice/item',
  attempt: 'sluice/attempt',
} as const

export const ANNOTATIONS = {
  /** The item's id, percent-encoded: what submit parses may have neither a comma nor an equals sign. */
  id: 'sluice/id',
  uid: 'sluice/uid',
  queue: 'sluice/queue-name',
  /** Those of the send, as JSON and percent-encoded; absent where it had none [W-OVERRIDE-1]. */
  overrides: 'sluice/overrides',
} as const

/** All that names the workflow of one job. It depends on the queue, the item and the attempt alone. */
export interface JobName {
  readonly ref: JobRef
  /** `metadata.name`: at most 63 characters, lower case letters, digits and dashes. */
  readonly workflow: string
  /** The value of the label `sluice/job`: 128 bits. */
  readonly key: string
}

const MAX_NAME_CHARS = 63
const MAX_VALUE_CHARS = 63

/**
 * Names the workflow of a job. The same job always gets the same name: that is the only idempotency there is
 * at Argo [W-SEND-1]. The hash alone tells jobs apart; the other parts are to read.
 *
 * @throws TypeError for a uid with a lone surrogate
 */
export function nameJob(queue: string, ref: JobRef): JobName {
  if (!ref.uid.isWellFormed()) throw new TypeError('uid must be well-formed Unicode')
  const { id, uid, attempt } = ref
  const whole = hashOf([queue, uid, attempt])
  return { ref: { id, uid, attempt }, workflow: workflowName(queue, ref, whole), key: whole.slice(0, 32) }
}

/** The labels of the job's workflow. */
export function labelsOfJob(queue: string, { ref: { id, attempt }, key }: JobName) {
  return {
    [LABELS.queue]: queueLabel(queue),
    [LABELS.job]: key,
    [LABELS.item]: labelValue(id, hashOf([id]).slice(0, 8)),
    [LABELS.attempt]: String(attempt),
  }
}

/** Its annotations. */
export function annotationsOfJob(queue: string, { ref: { id, uid } }: JobName) {
  return {
    [ANNOTATIONS.id]: encodeURIComponent(id),
    [ANNOTATIONS.uid]: encodeURIComponent(uid),
    [ANNOTATIONS.queue]: encodeURIComponent(queue),
  }
}

/**
 * The value of the label `sluice/queue`: names that look alike, such as `a/b` and `a_b`, have different ones
 * [W-POLL-3].
 */
export function queueLabel(queue: string): string {
  latestQueue = latestQueue?.queue === queue ? latestQueue : { queue, label: labelOfQueue(queue) }
  return latestQueue.label
}

/** Of the queue that was asked for last: a process nearly always has one, and asks with each send. */
let latestQueue: { readonly queue: string; readonly label: string } | undefined

function labelOfQueue(queue: string): string {
  return labelValue(queue, hashOf([queue]).slice(0, 12))
}

function labelValue(text: string, hash: string): string {
  return joined([readable(text, MAX_VALUE_CHARS - hash.length - 1), hash])
}

function workflowName(queue: string, { id, attempt }: JobRef, hash: string): string {
  const tail = `${hash.slice(0, 20)}-a${attempt}`
  const room = MAX_NAME_CHARS - tail.length - 2
  const ofQueue = readable(queue, Math.floor(room / 2))
  return joined([ofQueue, readable(id, room - ofQueue.length), tail])
}

/** The part of a text that may stand in a DNS name, without dashes at its ends. */
function readable(text: string, maxChars: number): string {
  const plain = text.toLowerCase().replaceAll(/[^a-z0-9]+/gu, '-')
  return plain.replace(/^-/u, '').slice(0, Math.max(0, maxChars)).replace(/-$/u, '')
}

function joined(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('-')
}

function hashOf(parts: readonly (string | number)[]): string {
  return hash('sha256', JSON.stringify(parts), 'hex')
}
