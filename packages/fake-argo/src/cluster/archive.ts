import { LABEL_ARCHIVING, type ArgoWorkflow, type JsonObject } from '../argo-workflow.js'
import { selects, type LabelSelector } from '../operations/label-selector.js'
import { byStart } from './workflow-index.js'
import { withLabels } from '../controller/workflow-steps.js'
import { defined } from './workflow-view.js'

/** The database of finished workflows. */
export class Archive {
  /** Whether there is one. */
  readonly enabled: boolean
  readonly #now: () => number
  readonly #ttlMs: number
  readonly #rows = new Map<string, { readonly workflow: ArgoWorkflow; readonly untilAt: number }>()

  constructor(enabled: boolean, now: () => number, ttlMs: number) {
    this.enabled = enabled
    this.#now = now
    this.#ttlMs = ttlMs
  }

  /** Stores a finished workflow, or its latest state. */
  put(workflow: ArgoWorkflow): void {
    const { metadata } = workflow
    const stored = withLabels(workflow, { ...metadata.labels, [LABEL_ARCHIVING]: 'Persisted' })
    this.#rows.set(metadata.uid, { workflow: stored, untilAt: this.#now() + this.#ttlMs })
  }

  /** Deletes a row, and returns whether there was one. */
  delete(uid: string): boolean {
    return this.#rows.delete(uid)
  }

  byUid(uid: string): ArgoWorkflow | undefined {
    const row = this.#rows.get(uid)
    return row !== undefined && row.untilAt > this.#now() ? row.workflow : undefined
  }

  /** The workflow of this name that started last. */
  byName(namespace: string, name: string): ArgoWorkflow | undefined {
    return this.#valid()
      .filter(({ metadata }) => metadata.name === name && metadata.namespace === namespace)
      .toSorted(byStart)[0]
  }

  /** All selected workflows, latest start first. */
  select(selector: LabelSelector, keeps: (one: ArgoWorkflow) => boolean): ArgoWorkflow[] {
    return this.#valid()
      .filter((one) => selects(selector, one.metadata.labels) && keeps(one))
      .toSorted(byStart)
  }

  #valid(): ArgoWorkflow[] {
    const now = this.#now()
    return [...this.#rows.values()].filter(({ untilAt }) => untilAt > now).map(({ workflow }) => workflow)
  }
}

/** What a list shows of an archived workflow: the columns of the database, no outputs and no nodes. */
export function archivedRow({ metadata, spec, status }: ArgoWorkflow): JsonObject {
  const { name, namespace, uid, creationTimestamp, labels, annotations } = metadata
  const { phase, startedAt, finishedAt, progress, message, estimatedDuration, resourcesDuration } = status
  const { suspend, arguments: given } = spec
  return defined({
    metadata: { name, namespace, uid, creationTimestamp, labels, annotations },
    spec: defined({ suspend, arguments: given ?? {} }),
    status: defined({
      phase,
      startedAt,
      finishedAt,
      progress,
      message,
      estimatedDuration,
      resourcesDuration,
    }),
  })
}
