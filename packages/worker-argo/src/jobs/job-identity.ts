import type { JobOverrides, JobRef } from '@sluice/core'
import { ANNOTATIONS, LABELS, nameJob, type JobName } from './job-name.js'
import type { Workflow } from '../workflow/workflow.js'
import { z } from 'zod'

const overridesSchema = z.record(z.string(), z.string())

/**
 * Whether the workflow under a job's name is the job's. Its labels say so; or, since a `kubectl apply` may
 * remove labels, its annotations [W-SEND-1].
 */
export function isWorkflowOf({ metadata }: Workflow, job: JobName): boolean {
  const { labels = {}, annotations = {} } = metadata
  if (metadata.name !== job.workflow) return false
  const key = labels[LABELS.job]
  if (key !== undefined) return key === job.key
  return (
    annotations[ANNOTATIONS.uid] === encodeURIComponent(job.ref.uid) &&
    annotations[ANNOTATIONS.id] === encodeURIComponent(job.ref.id)
  )
}

/**
 * The job that a workflow of this queue is of; `undefined` for a foreign one. A copy made by `resubmit` bears
 * the labels and annotations of the original, but not its name.
 */
export function jobOf(queue: string, workflow: Workflow): JobName | undefined {
  const ref = refIn(workflow)
  if (ref === undefined) return undefined
  const job = nameJob(queue, ref)
  return isWorkflowOf(workflow, job) ? job : undefined
}

function refIn({ metadata: { labels = {}, annotations = {} } }: Workflow): JobRef | undefined {
  const id = decoded(annotations[ANNOTATIONS.id])
  const uid = decoded(annotations[ANNOTATIONS.uid])
  const attempt = labels[LABELS.attempt]
  if (id === undefined || uid === undefined || attempt === undefined) return undefined
  return /^\d{1,16}$/u.test(attempt) ? { id, uid, attempt: Number(attempt) } : undefined
}

/** What the workflow was made with; `undefined` where it has none, or they were changed manually. */
export function overridesIn({ metadata: { annotations = {} } }: Workflow): JobOverrides | undefined {
  const text = decoded(annotations[ANNOTATIONS.overrides])
  if (text === undefined) return undefined
  try {
    return overridesSchema.parse(JSON.parse(text))
  } catch {
    // It was written manually.
    return undefined
  }
}

function decoded(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  try {
    return decodeURIComponent(text)
  } catch {
    // It was written manually.
    return undefined
  }
}
