import { SluiceError } from '@sluice/core'
import type { ArgoApi } from '../api/argo-api.js'
import { argoFailure } from '../api/argo-errors.js'
import { ANNOTATIONS, LABELS, queueLabel } from '../jobs/job-name.js'
import { judgeRead } from '../api/verdict.js'
import { isArchived, workflowListSchema, type Workflow, type WorkflowList } from './workflow.js'

/** Rows of a page: the server reads each one whole, and delays all other requests meanwhile. */
export const PAGE_ROWS = 200
/** More pages than any cluster has. */
const MAX_PAGES = 250

const ARGO_LABELS = ['workflow-archiving-status', 'action'].map((each) => `workflows.argoproj.io/${each}`)

/** Few fields: a row is some 600 bytes. Without `metadata` the list would lose its own. */
const FIELDS = [
  'metadata',
  ...['name', 'uid', 'creationTimestamp'].map((each) => `items.metadata.${each}`),
  ...[LABELS.job, LABELS.attempt, ...ARGO_LABELS].map((each) => `items.metadata.labels.${each}`),
  ...[ANNOTATIONS.id, ANNOTATIONS.uid, ANNOTATIONS.overrides].map(
    (each) => `items.metadata.annotations.${each}`,
  ),
  'items.spec.shutdown',
  'items.spec.suspend',
  ...['phase', 'message', 'progress', 'startedAt', 'finishedAt'].map((each) => `items.status.${each}`),
].join(',')

/** All that is read of one workflow. */
export const WHOLE_FIELDS = [
  ...['name', 'uid', 'resourceVersion', 'creationTimestamp', 'labels', 'annotations'].map(
    (each) => `metadata.${each}`,
  ),
  'spec.shutdown',
  'spec.suspend',
  ...['phase', 'message', 'progress', 'startedAt', 'finishedAt', 'outputs', 'resourcesDuration', 'nodes'].map(
    (each) => `status.${each}`,
  ),
] as const

const WHOLE_ROWS = ['metadata', ...WHOLE_FIELDS.map((each) => `items.${each}`)].join(',')

export interface PageSettings {
  readonly name: string
  readonly namespace: string
}

/** What pages are read with. */
export interface PageReading {
  readonly api: ArgoApi
  readonly settings: PageSettings
  /** Aborts it. */
  readonly signal?: AbortSignal
}

/**
 * Every workflow of the queue that the server's cache doesn't show as completed. New ones have no such label
 * yet, so that all but the completed ones are asked for; the cost doesn't depend on how many of those are
 * kept [W-POLL-1].
 *
 * @throws SluiceError SLUICE_WORKER_UNAVAILABLE, SLUICE_WORKER_DENIED
 */
export async function unfinishedWorkflows(reading: PageReading): Promise<readonly Workflow[]> {
  const selector = `${selectorOf(reading.settings)},workflows.argoproj.io/completed!=true`
  const rows = new Map<string, Workflow>()
  let offset = 0
  let cursor: string | undefined
  for (let page = 0; page < MAX_PAGES; page++) {
    const list = await readPage(reading, { selector, cursor })
    const items = list.items ?? []
    for (const workflow of items) keepOne(rows, workflow)
    offset += items.length
    cursor = nextCursor(list, offset)
    if (cursor === undefined) break
  }
  return [...rows.values()]
}

/** A page of those that are completed. */
export interface FinishedPage {
  readonly rows: readonly Workflow[]
  /** Nothing that is live comes after it. */
  readonly isLast: boolean
}

interface PageOfFinished {
  readonly maxRows: number
  readonly onlySucceeded: boolean
  /** How many rows to leave out: those that are live come first, then the archive's. */
  readonly offset: number
}

/**
 * Some of those that are completed, those that started last first: for a caller that doesn't know what to ask
 * for.
 */
export async function recentlyFinished(
  reading: PageReading,
  { maxRows, onlySucceeded, offset }: PageOfFinished,
): Promise<FinishedPage> {
  const phase = onlySucceeded ? ',workflows.argoproj.io/phase=Succeeded' : ''
  const selector = `${selectorOf(reading.settings)},workflows.argoproj.io/completed=true${phase}`
  const cursor = offset === 0 ? undefined : String(offset)
  const list = await readPage(reading, { selector, cursor, limit: maxRows })
  const items = list.items ?? []
  const rows = new Map<string, Workflow>()
  for (const workflow of items) keepOne(rows, workflow)
  return { rows: [...rows.values()], isLast: items.length < maxRows || items.some(isArchived) }
}

export function selectorOf({ name }: PageSettings): string {
  return `${LABELS.queue}=${queueLabel(name)}`
}

/** For a moment, and after a retry, one is in the archive and live: the live one counts. */
function keepOne(rows: Map<string, Workflow>, workflow: Workflow): void {
  const known = rows.get(workflow.metadata.uid)
  if (known === undefined || isArchived(known)) rows.set(workflow.metadata.uid, workflow)
}

/**
 * The cursor of the next page. Version 4 gives none when there is more, so that a full page is always
 * followed by another one, by counting: the cursor is an offset there. Older servers give opaque ones, and
 * those are right.
 */
export function nextCursor({ metadata, items }: WorkflowList, offset: number): string | undefined {
  const rows = items?.length ?? 0
  if (rows === 0) return undefined
  const given = metadata?.continue
  if (given !== undefined && given !== null && given !== '') return given
  return rows >= PAGE_ROWS ? String(offset) : undefined
}

/** Rows with their evidence. */
export interface WholeRows {
  readonly rows: readonly Workflow[]
  /** Of the answer, in UTF-16 code units. */
  readonly length: number
}

/**
 * Those of some jobs that have succeeded, with all that is read of one that is asked for by name.
 *
 * @param keys of the jobs, at most half of {@link PAGE_ROWS}
 */
export async function succeededOf(reading: PageReading, keys: readonly string[]): Promise<WholeRows> {
  const ofJobs = `${selectorOf(reading.settings)},${LABELS.job} in (${keys.join(',')})`
  const selector = `${ofJobs},workflows.argoproj.io/phase=Succeeded`
  const { items, length } = await readPage(reading, { selector, cursor: undefined, fields: WHOLE_ROWS })
  const rows = new Map<string, Workflow>()
  for (const workflow of items ?? []) keepOne(rows, workflow)
  return { rows: [...rows.values()], length }
}

interface PageWish {
  readonly selector: string
  readonly cursor: string | undefined
  readonly limit?: number
  readonly fields?: string
}

async function readPage(
  { api, settings: { namespace }, signal }: PageReading,
  { selector, cursor, limit = PAGE_ROWS, fields = FIELDS }: PageWish,
): Promise<WorkflowList & { readonly length: number }> {
  const doing = `list the workflows in namespace ${namespace}`
  const query = {
    'listOptions.labelSelector': selector,
    'listOptions.limit': String(limit),
    ...(cursor === undefined ? {} : { 'listOptions.continue': cursor }),
    fields,
  }
  const reply = await api.get(`workflows/${namespace}`, query, signal)
  const verdict = judgeRead(reply)
  if (verdict.kind !== 'done') throw argoFailure(verdict, doing)
  const list = workflowListSchema.safeParse(verdict.json)
  if (!list.success) throw argoFailure({ kind: 'misdirected', why: 'the answer is no list' }, doing)
  assertSynced(list.data, doing)
  return { ...list.data, length: reply.kind === 'answer' ? reply.length : 0 }
}

/**
 * A server that has just started answers before it has read its workflows: it then names no version, and the
 * list proves nothing.
 */
function assertSynced({ metadata }: WorkflowList, doing: string): void {
  if (metadata?.resourceVersion) return
  const message = `Argo could not ${doing}: the server has not read its workflows yet. It can be tried again.`
  throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', message)
}
