import { instantOf, isArchived, workflowSchema, type Workflow } from './workflow.js'

/**
 * What is known of the latest run of a job's workflow, by live answers: an archived row may be of one before
 * it was retried.
 */
export interface Seen {
  /** Its start, in epoch ms of Argo's clock. A retry has another one. */
  readonly startedAt?: number
  /**
   * `metadata.resourceVersion` when this worker had retried it: Kubernetes' own, which grows with every
   * change.
   */
  readonly retriedVersion?: string
  /** The end of the run that this worker retried, in epoch ms of Argo's clock. */
  readonly retriedEndAt?: number
}

/** What is known after an answer, or a row of a list. An archived one adds nothing. */
export function seenAfter(seen: Seen, workflow: Workflow): Seen {
  const startedAt = instantOf(workflow.status?.startedAt)
  if (isArchived(workflow) || startedAt === undefined) return seen
  return { ...seen, startedAt: Math.max(startedAt, seen.startedAt ?? startedAt) }
}

/** What is known after a retry by this worker. @param answer to it: the workflow as it is since */
export function seenAfterRetry(failed: Workflow, answer: unknown): Seen {
  const again = workflowSchema.safeParse(answer).data
  const startedAt = instantOf((again ?? failed).status?.startedAt)
  const retriedVersion = again?.metadata.resourceVersion ?? undefined
  const retriedEndAt = instantOf(failed.status?.finishedAt)
  return {
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(retriedVersion === undefined ? {} : { retriedVersion }),
    ...(retriedEndAt === undefined ? {} : { retriedEndAt }),
  }
}

/** Whether an archived row is of a run before the latest one: its end is no end of the job. */
export function isOutdated(workflow: Workflow, { startedAt, retriedVersion, retriedEndAt }: Seen): boolean {
  if (!isArchived(workflow)) return false
  const began = instantOf(workflow.status?.startedAt)
  if (startedAt !== undefined && began !== undefined && began !== startedAt) return began < startedAt
  // Both began in the same second.
  const version = versionOf(workflow)
  if (isVersion(version) && isVersion(retriedVersion ?? '')) return isOlder(version, retriedVersion ?? '')
  const ended = instantOf(workflow.status?.finishedAt)
  return retriedEndAt !== undefined && ended !== undefined && ended <= retriedEndAt
}

/** The newest of some archived rows of one name: each retry of an archived workflow adds one. */
export function newestOf(rows: readonly Workflow[]): Workflow | undefined {
  return rows.reduce<Workflow | undefined>(
    (newest, row) => (newest === undefined || isNewer(row, newest) ? row : newest),
    undefined,
  )
}

function isNewer(row: Workflow, other: Workflow): boolean {
  const [end, otherEnd] = [endOf(row), endOf(other)]
  return end === otherEnd ? isOlder(versionOf(other), versionOf(row)) : end > otherEnd
}

function endOf({ status }: Workflow): number {
  return instantOf(status?.finishedAt) ?? instantOf(status?.startedAt) ?? 0
}

function versionOf({ metadata }: Workflow): string {
  return metadata.resourceVersion ?? ''
}

function isOlder(one: string, other: string): boolean {
  return isVersion(one) && isVersion(other) && BigInt(one) < BigInt(other)
}

/** Versions can be compared where they are decimal numbers. */
function isVersion(text: string): boolean {
  return /^\d{1,40}$/u.test(text)
}
