import type { ArgoWorkflow } from '../argo-workflow.js'
import type { Cluster, WorkflowChange } from '../cluster/cluster.js'
import { WorkflowIndex } from '../cluster/workflow-index.js'

interface WaitingChange {
  readonly change: WorkflowChange
  readonly at: number
}

/** Before all instants. */
const SYNCED = Number.NEGATIVE_INFINITY

/** The list cache of one server process, which may lag behind or not be filled yet. */
export class Replica {
  /** How many ms its lists lag behind. What was listed once stays listed. */
  listLagMs: number | (() => number)
  /** How many lists lack a workflow after its creation, though they have all others. */
  listsWithoutNew = 0
  /** How many more lists lack a workflow, by uid. */
  readonly #hidden = new Map<string, number>()
  readonly #cluster: Cluster
  readonly #now: () => number
  readonly #index = new WorkflowIndex()
  readonly #stopListening: () => void
  #waiting: WaitingChange[] = []
  #syncedAt = SYNCED

  constructor(cluster: Cluster, now: () => number, listLagMs: number | (() => number)) {
    this.#cluster = cluster
    this.#now = now
    this.listLagMs = listLagMs
    this.#index.begin(cluster.all(), cluster.revision)
    this.#stopListening = cluster.listen((change) => {
      const { type, workflow } = change
      if (type === 'ADDED' && this.listsWithoutNew > 0) {
        this.#hidden.set(workflow.metadata.uid, this.listsWithoutNew)
      }
      if (!this.#isSynced()) return
      if (this.listLagMs === 0 && this.#waiting.length === 0) this.#index.apply(change)
      else this.#waiting.push({ change, at: this.#now() })
    })
  }

  /** The index that it lists from; `undefined` before the first sync after a start. */
  listed(): WorkflowIndex | undefined {
    if (!this.#isSynced()) return undefined
    const lagMs = typeof this.listLagMs === 'number' ? this.listLagMs : this.listLagMs()
    const due = this.#now() - lagMs
    const firstLate = this.#waiting.findIndex(({ at }) => at > due)
    const ripe = this.#waiting.splice(0, firstLate < 0 ? this.#waiting.length : firstLate)
    for (const { change } of ripe) this.#index.apply(change)
    return this.#index
  }

  /** The workflows of one list; the next one has more of the new ones. */
  shows(): (workflow: ArgoWorkflow) => boolean {
    if (this.#hidden.size === 0) return () => true
    const hidden = new Set(this.#hidden.keys())
    for (const [uid, lists] of this.#hidden) {
      if (lists > 1) this.#hidden.set(uid, lists - 1)
      else this.#hidden.delete(uid)
    }
    return ({ metadata }) => !hidden.has(metadata.uid)
  }

  /** Restarts the process: it lists nothing for `ms`. */
  restart(unsyncedMs: number): void {
    this.#waiting = []
    this.#syncedAt = this.#now() + unsyncedMs
    this.#index.begin([], 0)
  }

  /** Syncs now. */
  sync(): void {
    this.#syncedAt = this.#now()
    this.#isSynced()
  }

  close(): void {
    this.#stopListening()
  }

  #isSynced(): boolean {
    if (this.#syncedAt === SYNCED) return true
    if (this.#now() < this.#syncedAt) return false
    this.#syncedAt = SYNCED
    this.#index.begin(this.#cluster.all(), this.#cluster.revision)
    return true
  }
}
