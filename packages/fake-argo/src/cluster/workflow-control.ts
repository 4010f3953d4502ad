import type { ArgoWorkflow, FinalPhase, JsonObject } from '../argo-workflow.js'
import { LABEL_ARCHIVING, LABEL_COMPLETED, LABEL_PHASE, timestamp } from '../argo-workflow.js'
import type { ArgoParts } from '../operations/operation-context.js'
import type { Ending } from '../controller/outcome.js'
import { parseLabelSelector, selects } from '../operations/label-selector.js'
import { withLabels } from '../controller/workflow-steps.js'

/** A workflow to be put there without a request. */
export interface SeedWorkflow {
  readonly name: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly spec?: JsonObject
  /** Default `Succeeded`. `undefined` as a value: fresh, for the controller to take up. */
  readonly phase?: FinalPhase | undefined
  /** Epoch ms of its creation, start and, when finished, end. Default now. */
  readonly at?: number
}

/** The workflows of one server at hand: to look at, and to take through their phases without waiting for the controller. */
export class WorkflowControl {
  readonly #parts: ArgoParts
  readonly #namespace: string

  /** @param namespace where names are looked up */
  constructor(parts: ArgoParts, namespace: string) {
    this.#parts = parts
    this.#namespace = namespace
  }

  /** How many are live. */
  get size(): number {
    return this.#parts.cluster.size
  }

  /** How many of those that count (see the server's option `counts`) are live and in no final phase. */
  get unfinished(): number {
    return this.#parts.cluster.unfinished
  }

  /** The most that ever were so, counted at every change and not only at requests. */
  get maxUnfinished(): number {
    return this.#parts.cluster.maxUnfinished
  }

  /** Begins the maximum anew. */
  resetMaximum(): void {
    this.#parts.cluster.resetMaximum()
  }

  /** A live workflow as it is now, whatever the lists show. */
  get(name: string): ArgoWorkflow | undefined {
    this.#parts.controller.catchUp()
    return this.#parts.cluster.get(this.#namespace, name)
  }

  /** All live ones that a label selector selects, in the order they were made. */
  all(labelSelector = ''): ArgoWorkflow[] {
    this.#parts.controller.catchUp()
    const selector = parseLabelSelector(labelSelector)
    return [...this.#parts.cluster.all()].filter(({ metadata }) => selects(selector, metadata.labels))
  }

  /** Resolves with a live workflow for which this holds, as soon as there is one. */
  when(holds: (workflow: ArgoWorkflow) => boolean): Promise<ArgoWorkflow> {
    const { promise, resolve } = Promise.withResolvers<ArgoWorkflow>()
    const found = this.all().find(holds)
    if (found !== undefined) return Promise.resolve(found)
    const stop = this.#parts.cluster.listen(({ type, workflow }) => {
      if (type === 'DELETED' || !holds(workflow)) return
      stop()
      resolve(workflow)
    })
    return promise
  }

  /** The archived workflow of this name that started last. */
  archived(name: string): ArgoWorkflow | undefined {
    return this.#parts.archive.byName(this.#namespace, name)
  }

  /** The controller looks at it now: it runs if a slot is free, and else is Pending. */
  reconcile(name: string): ArgoWorkflow {
    this.#parts.controller.reconcile(this.#existing(name))
    return this.#existing(name)
  }

  /** It ends now; one that hasn't started starts before. Default Succeeded. */
  finish(name: string, outcome: Ending = {}): ArgoWorkflow {
    this.#parts.controller.finish(this.#existing(name), outcome)
    return this.#existing(name)
  }

  /** Its progress, such as `1/3`, and message as it runs. */
  progress(name: string, progress: string, message?: string): ArgoWorkflow {
    const workflow = this.#existing(name)
    return this.#parts.cluster.replace({ ...workflow, status: { ...workflow.status, progress, message } })
  }

  /**
   * One of its pods, by default its only one, writes so much more; each line is one of its log.
   *
   * @param from the pod, and of its containers which: default `main`
   */
  writeLog(
    name: string,
    bytes: string | Uint8Array,
    from: { readonly pod?: string; readonly container?: string } = {},
  ): void {
    this.#parts.pods.write(this.#existing(name), bytes, from)
  }

  /** Its pods are deleted, as `podGC` does once they have ended, and their logs with them. */
  deletePods(name: string): void {
    this.#parts.pods.deletePods(this.#existing(name))
  }

  /** Its pod can't begin, as without its image or a place: the workflow is Running and silent, the node Pending with this message. */
  holdUp(name: string, message: string): ArgoWorkflow {
    this.#parts.controller.holdUp(this.#existing(name), message)
    return this.#existing(name)
  }

  /** The pod that could not begin begins. */
  begin(name: string): ArgoWorkflow {
    this.#parts.controller.begin(this.#existing(name))
    return this.#existing(name)
  }

  /** The lock that it waits for (see `waitForLock`) is its own: it begins, and ends at once if it was stopped meanwhile. */
  freeLock(name: string): ArgoWorkflow {
    this.#parts.controller.freeLock(this.#existing(name))
    return this.#existing(name)
  }

  /**
   * It is Pending for a lock that nobody gives but `freeLock`. Stopped, it waits on; terminated, it ends by the controller's setting
   * `terminatedWaiter`.
   *
   * @throws TypeError when it has started: its own lock is the first thing that a workflow waits for
   */
  waitForLock(name: string, message: string): ArgoWorkflow {
    const workflow = this.#existing(name)
    if (workflow.status.startedAt !== null)
      throw new TypeError(`Workflow ${name} can't wait for its lock: it has started`)
    this.#parts.controller.waitForLock(workflow, message)
    return this.#existing(name)
  }

  /** It vanishes as if its time to live were over. */
  expire(name: string): void {
    this.#parts.controller.expire(this.#existing(name))
  }

  /** Its labels become these; `undefined` takes one away, as a careless `kubectl apply` does. */
  relabel(name: string, labels: Readonly<Record<string, string | undefined>>): ArgoWorkflow {
    const workflow = this.#existing(name)
    const all = Object.entries({ ...workflow.metadata.labels, ...labels })
    const kept = all.flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const]))
    return this.#parts.cluster.replace(withLabels(workflow, Object.fromEntries(kept)))
  }

  /** Moves a finished workflow into the archive now. */
  archive(name: string): void {
    const workflow = this.#existing(name)
    this.#parts.archive.put(workflow)
    this.relabel(name, { [LABEL_ARCHIVING]: 'Archived' })
  }

  /** Deletes the archive's row of a workflow. */
  purgeArchive(name: string): void {
    const row = this.archived(name)
    if (row !== undefined) this.#parts.archive.delete(row.metadata.uid)
  }

  /** Puts workflows there without requests: fifty thousand in a second or two. */
  seed(workflows: Iterable<SeedWorkflow>): void {
    for (const one of workflows) this.#parts.cluster.add(this.#seeded(one))
  }

  #seeded(seed: SeedWorkflow): ArgoWorkflow {
    const { names, now } = this.#parts
    const phase = 'phase' in seed ? seed.phase : 'Succeeded'
    const time = timestamp(seed.at ?? now())
    const labels = phase === undefined ? {} : { [LABEL_PHASE]: phase, [LABEL_COMPLETED]: 'true' }
    return {
      metadata: {
        name: seed.name,
        namespace: this.#namespace,
        uid: names.uid(),
        resourceVersion: '',
        generation: 1,
        creationTimestamp: time,
        labels: { ...seed.labels, ...labels },
        annotations: seed.annotations ?? {},
      },
      spec: seed.spec ?? { arguments: {} },
      status:
        phase === undefined
          ? { startedAt: null, finishedAt: null }
          : { phase, startedAt: time, finishedAt: time, progress: phase === 'Succeeded' ? '1/1' : '0/1' },
    }
  }

  #existing(name: string): ArgoWorkflow {
    const found = this.get(name)
    if (found === undefined) throw new TypeError(`There is no workflow ${name} in ${this.#namespace}`)
    return found
  }
}
