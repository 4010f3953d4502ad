import type { ArgoWorkflow, FinalPhase, JsonObject } from '../argo-workflow.js'
import { LABEL_ARCHIVING, LABEL_COMPLETED, LABEL_PHASE, timestamp } from '../argo-workflow.js'
import type { ArgoParts } from '../operations/operation-context.js'
import type { Ending } from '../controller/outcome.js'
import { parseLabelSelector, selects } from '../operations/label-selector.js'
import { withLabels } from '../controller/workflow-steps.js'

/** A workflow to add without a request. */
export interface SeedWorkflow {
  readonly name: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly spec?: JsonObject
  /** Default `Succeeded`. `undefined` as a value: fresh, for the controller to start. */
  readonly phase?: FinalPhase | undefined
  /** Epoch ms of its creation, start and, when finished, end. Default now. */
  readonly at?: number
}

/**
 * Direct access to the workflows of a server: reads them, and takes them through their phases without waiting
 * for the controller.
 */
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

  /** How many of the counted ones (see the server's option `counts`) are live and in no final phase. */
  get unfinished(): number {
    return this.#parts.cluster.unfinished
  }

  /** The maximum of that number, over all changes and not only at requests. */
  get maxUnfinished(): number {
    return this.#parts.cluster.maxUnfinished
  }

  /** Resets the maximum. */
  resetMaximum(): void {
    this.#parts.cluster.resetMaximum()
  }

  /** A live workflow as it is now, whatever the lists show. */
  get(name: string): ArgoWorkflow | undefined {
    this.#parts.controller.catchUp()
    return this.#parts.cluster.get(this.#namespace, name)
  }

  /** All live ones that a label selector selects, in the order of creation. */
  all(labelSelector = ''): ArgoWorkflow[] {
    this.#parts.controller.catchUp()
    const selector = parseLabelSelector(labelSelector)
    return [...this.#parts.cluster.all()].filter(({ metadata }) => selects(selector, metadata.labels))
  }

  /** Resolves with the first live workflow for which `holds` returns true. */
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

  /** The controller reconciles it now: it runs if a slot is free, and else is Pending. */
  reconcile(name: string): ArgoWorkflow {
    this.#parts.controller.reconcile(this.#existing(name))
    return this.#existing(name)
  }

  /** Ends it now; one that has not started starts first. Default Succeeded. */
  finish(name: string, outcome: Ending = {}): ArgoWorkflow {
    this.#parts.controller.finish(this.#existing(name), outcome)
    return this.#existing(name)
  }

  /** Sets its progress, such as `1/3`, and message while it runs. */
  progress(name: string, progress: string, message?: string): ArgoWorkflow {
    const workflow = this.#existing(name)
    return this.#parts.cluster.replace({ ...workflow, status: { ...workflow.status, progress, message } })
  }

  /**
   * One of its pods, by default its only one, writes these bytes; each line is one of its log.
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

  /** Deletes its pods, as `podGC` does once they have ended, and their logs with them. */
  deletePods(name: string): void {
    this.#parts.pods.deletePods(this.#existing(name))
  }

  /**
   * Its pod cannot begin, as without its image or a place: the workflow is Running without a message, the
   * node Pending with this one.
   */
  holdUp(name: string, message: string): ArgoWorkflow {
    this.#parts.controller.holdUp(this.#existing(name), message)
    return this.#existing(name)
  }

  /** Lets the pod begin that could not. */
  begin(name: string): ArgoWorkflow {
    this.#parts.controller.begin(this.#existing(name))
    return this.#existing(name)
  }

  /**
   * Gives it the lock that it waits for (see `waitForLock`): it begins, and ends immediately if it was
   * stopped meanwhile.
   */
  freeLock(name: string): ArgoWorkflow {
    this.#parts.controller.freeLock(this.#existing(name))
    return this.#existing(name)
  }

  /**
   * It is Pending for a lock until `freeLock` gives it. Stopped, it waits on; terminated, it ends by the
   * controller's setting `terminatedWaiter`.
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

  /** Deletes it as at the end of its time to live. */
  expire(name: string): void {
    this.#parts.controller.expire(this.#existing(name))
  }

  /** Sets labels; `undefined` removes one, as a wrong `kubectl apply` does. */
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

  /** Adds workflows without requests: fifty thousand in a second or two. */
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
