import { LABEL_ARCHIVING, LABEL_INSTANCE, type ArgoWorkflow } from '../argo-workflow.js'
import type { WorkflowChange } from './cluster.js'
import {
  meets,
  requirementText,
  selects,
  type LabelSelector,
  type Requirement,
} from '../operations/label-selector.js'

type Rows = Map<string, ArgoWorkflow>

/** How many keys, and how many requirements other than `key=value`, have an index. */
const MAX_INDEXES = 32

/**
 * The store that a server lists from: the live workflows by uid, with indexes by label, so that a few of very
 * many are found fast: one for each key that a selector had with a value, and one for each other requirement.
 */
export class WorkflowIndex {
  readonly #rows: Rows = new Map()
  readonly #byKey = new Map<string, Map<string, Rows>>()
  readonly #byRequirement = new Map<string, { readonly requirement: Requirement; readonly rows: Rows }>()
  /** The last selection, until something changes: for the pages of one list. */
  #last: { readonly key: string; readonly rows: readonly ArgoWorkflow[] } | undefined
  #revision = 0

  /** The last change that was applied. */
  get revision(): number {
    return this.#revision
  }

  /** Applies one change. Archived workflows are not listed from here. */
  apply({ type, workflow, revision }: WorkflowChange): void {
    this.#revision = revision
    this.#last = undefined
    const { uid, labels } = workflow.metadata
    this.#drop(uid)
    if (type !== 'DELETED' && labels[LABEL_ARCHIVING] !== 'Archived') this.#insert(uid, workflow)
  }

  /** Replaces all workflows by these. */
  begin(workflows: Iterable<ArgoWorkflow>, revision: number): void {
    for (const index of [this.#rows, this.#byKey, this.#byRequirement]) index.clear()
    this.#last = undefined
    this.#revision = revision
    for (const workflow of workflows) {
      const { uid, labels } = workflow.metadata
      if (labels[LABEL_ARCHIVING] !== 'Archived') this.#insert(uid, workflow)
    }
  }

  /** All that are selected and not excluded otherwise, latest start first, what has not started last. */
  select(
    selector: LabelSelector,
    more: { readonly key: string; readonly keeps: (one: ArgoWorkflow) => boolean },
  ): readonly ArgoWorkflow[] {
    const key = `${selector.map(requirementText).join(' & ')} ${more.key}`
    if (this.#last?.key === key) return this.#last.rows
    const candidates = this.#candidates(selector)
    const found: ArgoWorkflow[] = []
    for (const one of candidates.values()) {
      if (selects(selector, one.metadata.labels) && more.keeps(one)) found.push(one)
    }
    // Reversed, the rows are nearly in order, which makes sorting fast.
    const rows = found.toReversed().toSorted(byStart)
    this.#last = { key, rows }
    return rows
  }

  #candidates(selector: LabelSelector): Rows {
    let fewest = this.#rows
    for (const requirement of selector) {
      const rows = this.#rowsMeeting(requirement)
      if (rows.size < fewest.size) fewest = rows
    }
    return fewest
  }

  #rowsMeeting(requirement: Requirement): Rows {
    const { key, operator, values } = requirement
    const [value] = values
    if (operator === 'in' && values.length === 1 && value !== undefined) return this.#rowsOf(key, value)
    // Nearly all rows meet it: an index would be a copy of all.
    if (key === LABEL_INSTANCE) return this.#rows
    const text = requirementText(requirement)
    const known = this.#byRequirement.get(text)
    if (known !== undefined) return known.rows
    const rows: Rows = new Map()
    for (const [uid, one] of this.#rows) if (meets(requirement, one.metadata.labels)) rows.set(uid, one)
    if (this.#byRequirement.size >= MAX_INDEXES) this.#byRequirement.clear()
    this.#byRequirement.set(text, { requirement, rows })
    return rows
  }

  #rowsOf(key: string, value: string): Rows {
    let byValue = this.#byKey.get(key)
    if (byValue === undefined) {
      if (this.#byKey.size >= MAX_INDEXES) this.#byKey.clear()
      byValue = new Map()
      for (const [uid, one] of this.#rows) addTo(byValue, one.metadata.labels[key], [uid, one])
      this.#byKey.set(key, byValue)
    }
    return byValue.get(value) ?? new Map()
  }

  #insert(uid: string, workflow: ArgoWorkflow): void {
    const { labels } = workflow.metadata
    this.#rows.set(uid, workflow)
    for (const [key, byValue] of this.#byKey) addTo(byValue, labels[key], [uid, workflow])
    for (const { requirement, rows } of this.#byRequirement.values()) {
      if (meets(requirement, labels)) rows.set(uid, workflow)
    }
  }

  #drop(uid: string): void {
    const former = this.#rows.get(uid)
    if (former === undefined) return
    this.#rows.delete(uid)
    for (const [key, byValue] of this.#byKey) removeFrom(byValue, former.metadata.labels[key], uid)
    for (const { rows } of this.#byRequirement.values()) rows.delete(uid)
  }
}

function addTo(
  byValue: Map<string, Rows>,
  value: string | undefined,
  row: readonly [uid: string, workflow: ArgoWorkflow],
): void {
  if (value === undefined) return
  const rows = byValue.get(value)
  if (rows === undefined) byValue.set(value, new Map([row]))
  else rows.set(...row)
}

function removeFrom(byValue: Map<string, Rows>, value: string | undefined, uid: string): void {
  if (value === undefined) return
  const rows = byValue.get(value)
  rows?.delete(uid)
  if (rows?.size === 0) byValue.delete(value)
}

/** By start, latest first; what hasn't started has the zero time and comes last. */
export function byStart(a: ArgoWorkflow, b: ArgoWorkflow): number {
  const [first, second] = [a.status.startedAt ?? '', b.status.startedAt ?? '']
  if (first === second) return 0
  return first < second ? 1 : -1
}

/** A page's own order: unfinished ones first, the newest of them first, then by end, latest first. */
export function byPage(a: ArgoWorkflow, b: ArgoWorkflow): number {
  const [first, second] = [a.status.finishedAt, b.status.finishedAt]
  if (first === null && second === null) {
    return descending(a.metadata.creationTimestamp, b.metadata.creationTimestamp)
  }
  if (first === null || second === null) return first === null ? -1 : 1
  return descending(first, second)
}

function descending(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? 1 : -1
}
