import { isFinal, keyOf, type ArgoWorkflow } from '../argo-workflow.js'

/** One change of one workflow, as Kubernetes reports it. */
export interface WorkflowChange {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  /** The current state; of a deleted one the last. */
  readonly workflow: ArgoWorkflow
  /** As it was before. */
  readonly previous: ArgoWorkflow | undefined
  readonly revision: number
}

/** How many changes a watch can resume behind. */
const MAX_HISTORY = 10_000

/** Earlier changes are not kept. */
const FIRST_REVISION = 1_000

/** The existing workflows, as Kubernetes has them: changes are atomic and in one order. */
export class Cluster {
  readonly #live = new Map<string, ArgoWorkflow>()
  readonly #listeners = new Set<(change: WorkflowChange) => void>()
  readonly #counts: (workflow: ArgoWorkflow) => boolean
  readonly #untold: WorkflowChange[] = []
  #telling = false
  #history: WorkflowChange[] = []
  #forgotten = FIRST_REVISION
  #revision = FIRST_REVISION
  #unfinished = 0
  #maxUnfinished = 0

  /** @param counts which workflows the numbers of unfinished ones include */
  constructor(counts: (workflow: ArgoWorkflow) => boolean) {
    this.#counts = counts
  }

  /** The number of the last change. */
  get revision(): number {
    return this.#revision
  }

  /** How many of the counted workflows are in no final phase. */
  get unfinished(): number {
    return this.#unfinished
  }

  /** The maximum of that number, over all changes. */
  get maxUnfinished(): number {
    return this.#maxUnfinished
  }

  /** Resets the maximum. */
  resetMaximum(): void {
    this.#maxUnfinished = this.#unfinished
  }

  get(namespace: string, name: string): ArgoWorkflow | undefined {
    return this.#live.get(keyOf(namespace, name))
  }

  /** All workflows, in the order of creation. */
  all(): IterableIterator<ArgoWorkflow> {
    return this.#live.values()
  }

  /** How many there are in a namespace. */
  countIn(namespace: string): number {
    let count = 0
    for (const { metadata } of this.#live.values()) if (metadata.namespace === namespace) count += 1
    return count
  }

  get size(): number {
    return this.#live.size
  }

  /** Adds a workflow whose name is free. */
  add(workflow: ArgoWorkflow): ArgoWorkflow {
    return this.#put('ADDED', workflow, undefined)
  }

  /** Replaces a workflow by its next state. */
  replace(workflow: ArgoWorkflow): ArgoWorkflow {
    const { namespace, name, generation } = workflow.metadata
    const previous = this.get(namespace, name)
    if (previous === undefined) throw new TypeError(`Can't change workflow ${name}: there is none`)
    return this.#put(
      'MODIFIED',
      { ...workflow, metadata: { ...workflow.metadata, generation: generation + 1 } },
      previous,
    )
  }

  remove(workflow: ArgoWorkflow): void {
    const { namespace, name } = workflow.metadata
    const previous = this.get(namespace, name)
    if (previous === undefined || !this.#live.delete(keyOf(namespace, name))) return
    this.#count(previous, -1)
    const gone = stamped(previous, ++this.#revision)
    this.#tell({ type: 'DELETED', workflow: gone, previous, revision: this.#revision })
  }

  /** Calls back at every change from now on, before the change returns. */
  listen(listener: (change: WorkflowChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The changes after a revision; `undefined` when they are no longer all known. */
  changesSince(revision: number): readonly WorkflowChange[] | undefined {
    if (revision < this.#forgotten) return undefined
    const first = this.#history.findIndex((change) => change.revision > revision)
    return first < 0 ? [] : this.#history.slice(first)
  }

  /**
   * Drops all changes so far, as Kubernetes does when it compacts: watches cannot resume behind them.
   */
  compact(): void {
    this.#history = []
    this.#forgotten = this.#revision
  }

  #put(type: 'ADDED' | 'MODIFIED', workflow: ArgoWorkflow, previous: ArgoWorkflow | undefined): ArgoWorkflow {
    const stored = stamped(workflow, ++this.#revision)
    this.#live.set(keyOf(stored.metadata.namespace, stored.metadata.name), stored)
    if (previous !== undefined) this.#count(previous, -1)
    this.#count(stored, 1)
    this.#tell({ type, workflow: stored, previous, revision: this.#revision })
    return stored
  }

  #count(workflow: ArgoWorkflow, by: 1 | -1): void {
    if (isFinal(workflow.status.phase) || !this.#counts(workflow)) return
    this.#unfinished += by
    this.#maxUnfinished = Math.max(this.#maxUnfinished, this.#unfinished)
  }

  #tell(change: WorkflowChange): void {
    this.#history.push(change)
    if (this.#history.length > 2 * MAX_HISTORY) {
      this.#history = this.#history.slice(-MAX_HISTORY)
      this.#forgotten = (this.#history[0]?.revision ?? this.#revision) - 1
    }
    this.#untold.push(change)
    if (this.#telling) return
    // A listener may make further changes: all listeners get all changes in order.
    this.#telling = true
    for (let next = this.#untold.shift(); next !== undefined; next = this.#untold.shift()) {
      for (const listener of this.#listeners) listener(next)
    }
    this.#telling = false
  }
}

function stamped(workflow: ArgoWorkflow, revision: number): ArgoWorkflow {
  return { ...workflow, metadata: { ...workflow.metadata, resourceVersion: String(revision) } }
}
