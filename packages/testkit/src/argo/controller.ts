import type { Clock } from '@sluice/core'
import type { Archive } from './archive.js'
import {
  asObject,
  asText,
  isFinal,
  LABEL_ARCHIVING,
  LABEL_COMPLETED,
  type ArgoWorkflow,
} from './argo-workflow.js'
import type { Cluster, WorkflowChange } from './cluster.js'
import { Kubelet, type KubeletVersion } from './kubelet.js'
import { runParameters, ttlMsOf, type Outcome, type OutcomeRule, type Ending } from './outcome.js'
import type { ArgoRules } from './rules.js'
import { Schedule } from './schedule.js'
import { Slots } from './slots.js'
import { notFound, type Templates } from './templates.js'
import { failedStart, isTooLargeToStore, podsOf } from './workload.js'
import { finished, postponed, shutDown, started, TOO_MANY, withLabels } from './workflow-steps.js'

/** How the controller goes about it; all of it can be changed later. */
export interface ControllerSettings {
  /** Ms until it first looks at a new workflow, or at one that was acted on. `Infinity`: never by itself. Default 50. */
  reconcileDelayMs: number | ((workflow: ArgoWorkflow) => number)
  /** How many run at once; the rest is Pending. Default `Infinity`. */
  parallelism: number
  /** How each one goes. Default {@link outcomeByParameters}. */
  outcome: OutcomeRule
  /** Ms from a workflow's end until the archive has it. Default 0. */
  archiveLagMs: number
  /** Ms for which a workflow is listed twice, as archived and as live. Default 0. */
  archiveOverlapMs: number
  /** Of the nodes that pods run on, as far as kubelets differ here: up to 1.34.3, or from 1.34.4 on. Default the latter. */
  kubelet: KubeletVersion
  /** What becomes of one that was accepted and is too large to be stored once it runs: it ends, or never gets a phase. Default `error`. */
  tooLarge: 'error' | 'never'
}

type Step = 'reconcile' | 'finish' | 'archive' | 'mark' | 'expire'

/** What the controller remembers of one workflow. */
interface Run {
  readonly namespace: string
  readonly name: string
  retries: number
  /** Waits for a lock that is never given: see `waitForLock`. */
  locked: boolean
  outcome: Outcome | undefined
  /** When it ends, as far as it runs by itself. */
  endsAt: number | undefined
  /** The one thing that is to be done next; what else the agenda has of this workflow is out of date. */
  next: { readonly step: Step } | undefined
}

/**
 * Argo's controller: takes workflows from one phase to the next, by the clock or by hand. Each step is one change, made at the instant
 * it is due; it catches up at every request, and sleeps on the clock in between so that watches hear of it in time.
 */
export class Controller {
  readonly settings: ControllerSettings
  readonly #clock: Clock
  readonly #cluster: Cluster
  readonly #archive: Archive
  readonly #templates: Templates
  readonly #schedule: Schedule<{ readonly run: Run; readonly next: { readonly step: Step } }>
  readonly #rules: ArgoRules
  readonly #runs = new Map<string, Run>()
  readonly #slots = new Slots<Run>()

  constructor(parts: {
    readonly settings: ControllerSettings
    readonly clock: Clock
    readonly cluster: Cluster
    readonly archive: Archive
    readonly templates: Templates
    readonly rules: ArgoRules
  }) {
    this.settings = parts.settings
    this.#clock = parts.clock
    this.#cluster = parts.cluster
    this.#archive = parts.archive
    this.#templates = parts.templates
    this.#rules = parts.rules
    this.#schedule = new Schedule(parts.clock, ({ run, next }, at) => {
      if (run.next === next) this.#do(run, next.step, at)
    })
    parts.cluster.listen((change) => this.#follow(change))
  }

  get paused(): boolean {
    return this.#schedule.paused
  }

  /** It is down: nothing moves but by hand. */
  pause(): void {
    this.catchUp()
    this.#schedule.pause()
  }

  /** It is back, and does what was due. */
  resume(): void {
    this.#schedule.resume()
    this.fillSlots()
  }

  /** Does all that is due. */
  catchUp(): void {
    this.#schedule.catchUp()
  }

  /** Looks at a workflow now, as at its next reconcile. */
  reconcile(workflow: ArgoWorkflow): void {
    this.#do(this.#runOf(workflow), 'reconcile', this.#clock.now())
  }

  /** Ends a workflow now, whatever was planned; one that hasn't started runs for no time. */
  finish(workflow: ArgoWorkflow, outcome: Ending): void {
    const run = this.#runOf(workflow)
    run.outcome = { ...outcome, afterMs: 0 }
    if (workflow.status.phase !== 'Running') this.#start(run, this.#clock.now())
    this.#do(run, 'finish', this.#clock.now())
  }

  /** Lets a workflow wait for a lock until it is ended or reconciled by hand. */
  waitForLock(workflow: ArgoWorkflow, message: string): void {
    const run = this.#runOf(workflow)
    run.locked = true
    run.next = undefined
    this.#slots.leave(run)
    this.#cluster.replace(postponed(workflow, message))
  }

  /** A retried workflow begins again. */
  retry(workflow: ArgoWorkflow): void {
    const run = this.#runOf(workflow)
    run.retries++
    run.outcome = undefined
    run.endsAt = undefined
    this.#plan(run, 'reconcile', this.#clock.now() + this.#delayOf(workflow))
  }

  /** Somebody changed its spec: it is looked at soon, unless it ends before. */
  touch(workflow: ArgoWorkflow): void {
    const run = this.#runOf(workflow)
    const at = this.#clock.now() + this.#delayOf(workflow)
    if (run.next?.step !== 'finish' || at < (run.endsAt ?? 0)) this.#plan(run, 'reconcile', at)
  }

  /** A finished workflow's time is over. */
  expire(workflow: ArgoWorkflow): void {
    this.#do(this.#runOf(workflow), 'expire', this.#clock.now())
  }

  /** It stops for good. */
  close(): void {
    this.#schedule.pause()
  }

  #follow({ type, workflow }: WorkflowChange): void {
    const { uid, labels } = workflow.metadata
    if (type === 'DELETED') return this.#forget(uid)
    if (type !== 'ADDED') return
    if (isFinal(workflow.status.phase)) return this.#planExpiry(this.#runOf(workflow), workflow)
    // Created with this label it is none of the controller's business, for ever.
    if (labels[LABEL_COMPLETED] === 'true') return
    this.#plan(this.#runOf(workflow), 'reconcile', this.#clock.now() + this.#delayOf(workflow))
  }

  /** What was planned for it is not to be done to another one of its name. */
  #forget(uid: string): void {
    const run = this.#runs.get(uid)
    if (run === undefined) return
    this.#runs.delete(uid)
    run.next = undefined
    this.#leave(run)
  }

  #runOf({ metadata }: ArgoWorkflow): Run {
    const known = this.#runs.get(metadata.uid)
    if (known !== undefined) return known
    const { namespace, name } = metadata
    const run: Run = {
      namespace,
      name,
      retries: 0,
      locked: false,
      outcome: undefined,
      endsAt: undefined,
      next: undefined,
    }
    this.#runs.set(metadata.uid, run)
    return run
  }

  #delayOf(workflow: ArgoWorkflow): number {
    const { reconcileDelayMs } = this.settings
    return typeof reconcileDelayMs === 'number' ? reconcileDelayMs : reconcileDelayMs(workflow)
  }

  #plan(run: Run, step: Step, at: number): void {
    run.next = { step }
    this.#schedule.add({ run, next: run.next }, at)
  }

  #do(run: Run, step: Step, at: number): void {
    const workflow = this.#cluster.get(run.namespace, run.name)
    run.next = undefined
    if (workflow === undefined) return
    switch (step) {
      case 'reconcile':
        return this.#reconcile(run, workflow, at)
      case 'finish':
        return this.#end(run, run.outcome ?? {}, at)
      case 'archive':
        this.#archive.put(workflow)
        return this.#plan(run, 'mark', at + this.settings.archiveOverlapMs)
      case 'mark':
        this.#cluster.replace(
          withLabels(workflow, { ...workflow.metadata.labels, [LABEL_ARCHIVING]: 'Archived' }),
        )
        return this.#planExpiry(run, workflow)
      case 'expire':
        return this.#cluster.remove(workflow)
    }
  }

  #reconcile(run: Run, workflow: ArgoWorkflow, at: number): void {
    const { status, spec } = workflow
    if (isFinal(status.phase)) return
    const { shutdown } = spec
    const runs = status.phase === 'Running'
    // A workflow that waits hears of Terminate, not of Stop.
    if (shutdown === 'Terminate' || (runs && typeof shutdown === 'string')) {
      return this.#end(run, shutDown(shutdown, run.locked && this.#rules.terminatedWaiterSucceeds), at)
    }
    if (runs) return this.#planEnd(run, workflow, at)
    run.locked = false
    if (this.#slots.taken < this.settings.parallelism) return this.#start(run, at)
    this.#slots.wait(run)
    if (status.phase !== 'Pending') this.#cluster.replace(postponed(workflow, TOO_MANY))
  }

  #start(run: Run, at: number): void {
    const workflow = this.#cluster.get(run.namespace, run.name)
    if (workflow === undefined) return
    const resolved = this.#templates.resolved(workflow.spec, run.namespace)
    if (resolved === undefined) return this.#failToResolve(run, workflow, at)
    this.#slots.take(run)
    const parameters = runParameters(workflow, resolved)
    const next = started(workflow, { resolved, parameters, at })
    if (isTooLargeToStore(next)) return this.#failToStore(run, at)
    const running = this.#cluster.replace(next)
    const kubelet = new Kubelet(this.settings.kubelet)
    const start = { resolved, parameters, templates: this.#templates, kubelet }
    const failure = failedStart(running, start)
    if (failure !== undefined) run.outcome ??= { ...failure, afterMs: 0 }
    const pods = () => podsOf(running, start)
    run.outcome ??= this.settings.outcome(running, { parameters, retries: run.retries, pods })
    if (typeof running.spec['shutdown'] === 'string') this.#reconcile(run, running, at)
    else this.#planEnd(run, running, at)
  }

  #failToStore(run: Run, at: number): void {
    if (this.settings.tooLarge === 'never') this.#leave(run, at)
    else this.#end(run, { phase: 'Error', message: 'etcdserver: request is too large' }, at)
  }

  /** Suspended before it began, it runs and does nothing until it is resumed; what has begun goes on. */
  #planEnd(run: Run, workflow: ArgoWorkflow, at: number): void {
    if (run.endsAt === undefined && workflow.spec['suspend'] === true) return
    run.endsAt ??= at + (run.outcome?.afterMs ?? 0)
    this.#plan(run, 'finish', Math.max(at, run.endsAt))
  }

  #failToResolve(run: Run, workflow: ArgoWorkflow, at: number): void {
    const name = asText(asObject(workflow.spec['workflowTemplateRef'])['name']) ?? ''
    this.#end(run, { phase: 'Error', message: notFound('WorkflowTemplate', name) }, at)
  }

  #end(run: Run, outcome: Ending, at: number): void {
    const workflow = this.#cluster.get(run.namespace, run.name)
    if (workflow === undefined || isFinal(workflow.status.phase)) return
    const ended = this.#cluster.replace(finished(workflow, { outcome, at, archives: this.#archive.enabled }))
    run.locked = false
    if (this.#archive.enabled) this.#plan(run, 'archive', at + this.settings.archiveLagMs)
    else this.#planExpiry(run, ended)
    this.#leave(run, at)
  }

  #planExpiry(run: Run, { status, spec }: ArgoWorkflow): void {
    if (!isFinal(status.phase)) return
    const ttlMs = ttlMsOf({ ...status.storedWorkflowTemplateSpec, ...spec }, status.phase)
    if (ttlMs === undefined) run.next = undefined
    else this.#plan(run, 'expire', Date.parse(status.finishedAt ?? '') + ttlMs)
  }

  /** Its slot is free for the one that waits with the highest priority, and of those for the first. */
  #leave(run: Run, at = this.#clock.now()): void {
    this.#slots.leave(run)
    this.fillSlots(at)
  }

  /** Starts what may run; to be called when `parallelism` was raised. */
  fillSlots(at = this.#clock.now()): void {
    while (!this.paused && this.#slots.taken < this.settings.parallelism) {
      const next = this.#slots.next((run) => this.#priorityOf(run))
      if (next === undefined) return
      this.#slots.leave(next)
      this.#start(next, at)
    }
  }

  #priorityOf(run: Run): number {
    const priority = this.#cluster.get(run.namespace, run.name)?.spec['priority']
    return typeof priority === 'number' ? priority : 0
  }
}
