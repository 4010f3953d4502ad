import type { Runtime } from '@sluice/core'
import type { Archive } from '../cluster/archive.js'
import { isFinal, LABEL_ARCHIVING, LABEL_COMPLETED, type ArgoWorkflow } from '../argo-workflow.js'
import type { Cluster, WorkflowChange } from '../cluster/cluster.js'
import type { ControllerSettings } from './controller-settings.js'
import { Kubelet } from '../pods/kubelet.js'
import { Locks, mutexesOf, waitingFor } from './locks.js'
import { expiryOf, runParameters, type Ending } from './outcome.js'
import type { ArgoRules } from '../rules.js'
import { newRun, type Run, type Step } from './run.js'
import { Schedule } from './schedule.js'
import { endAtShutdown, podTaken, shutDown, shutdownOf, toldToEnd } from './shutdown.js'
import { Slots } from './slots.js'
import { restrictedEnding } from '../cluster/template-referencing.js'
import { unresolvedEnding, type Templates } from '../cluster/templates.js'
import { isTooLargeToStore, plannedOutcome } from '../pods/workload.js'
import {
  begun,
  finished,
  heldUp,
  isPod,
  postponed,
  started,
  TOO_MANY,
  withLabels,
  withNode,
} from './workflow-steps.js'

/**
 * Argo's controller: takes workflows from one phase to the next, by the clock or manually. Each step is one
 * change, made at the instant it is due; it catches up at every request, and sleeps in between so that
 * watches get changes in time.
 */
export class Controller {
  readonly settings: ControllerSettings
  readonly #runtime: Runtime
  readonly #cluster: Cluster
  readonly #archive: Archive
  readonly #templates: Templates
  readonly #schedule: Schedule<{ readonly run: Run; readonly next: { readonly step: Step } }>
  readonly #rules: ArgoRules
  readonly #runs = new Map<string, Run>()
  readonly #slots = new Slots<Run>()
  readonly #locks = new Locks<Run>()

  constructor(parts: {
    readonly settings: ControllerSettings
    readonly runtime: Runtime
    readonly cluster: Cluster
    readonly archive: Archive
    readonly templates: Templates
    readonly rules: ArgoRules
  }) {
    this.settings = parts.settings
    this.#runtime = parts.runtime
    this.#cluster = parts.cluster
    this.#archive = parts.archive
    this.#templates = parts.templates
    this.#rules = parts.rules
    this.#schedule = new Schedule(parts.runtime, ({ run, next }, at) => {
      if (run.next === next) this.#do(run, next.step, at)
    })
    parts.cluster.listen((change) => this.#follow(change))
  }

  get paused(): boolean {
    return this.#schedule.paused
  }

  /** Stops the controller: workflows only move manually. */
  pause(): void {
    this.catchUp()
    this.#schedule.pause()
  }

  /** Starts it again; what was due is done. */
  resume(): void {
    this.#schedule.resume()
    this.fillSlots()
  }

  /** Performs all steps that are due. */
  catchUp(): void {
    this.#schedule.catchUp()
  }

  /** Reconciles a workflow now. */
  reconcile(workflow: ArgoWorkflow): void {
    this.#do(this.#runOf(workflow), 'reconcile', this.#runtime.now())
  }

  /** Ends a workflow now, whatever was planned; one that hasn't started runs for no time. */
  finish(workflow: ArgoWorkflow, outcome: Ending): void {
    const run = this.#runOf(workflow)
    run.outcome = { ...outcome, afterMs: 0 }
    if (workflow.status.phase !== 'Running') this.#start(run, this.#runtime.now())
    this.#do(run, 'finish', this.#runtime.now())
  }

  /** Makes a workflow wait for a lock until `freeLock`, or until it is ended manually. */
  waitForLock(workflow: ArgoWorkflow, message: string): void {
    const run = this.#runOf(workflow)
    run.locked = message
    run.next = undefined
    this.#slots.leave(run)
    this.#cluster.replace(postponed(workflow, message))
  }

  /** Gives it the lock that it waits for. */
  freeLock(workflow: ArgoWorkflow): void {
    const run = this.#runOf(workflow)
    run.locked = undefined
    this.#do(run, 'reconcile', this.#runtime.now())
  }

  /** Its pod cannot begin until `begin`. A workflow that has not started starts first. */
  holdUp(workflow: ArgoWorkflow, message: string): void {
    const run = this.#runOf(workflow)
    if (workflow.status.phase !== 'Running') this.#start(run, this.#runtime.now())
    const running = this.#cluster.get(run.namespace, run.name)
    if (running === undefined) return
    run.held = true
    run.endsAt = undefined
    run.next = undefined
    this.#cluster.replace(heldUp(running, message))
  }

  /** Its pod begins. */
  begin(workflow: ArgoWorkflow): void {
    this.#do(this.#runOf(workflow), 'begin', this.#runtime.now())
  }

  /**
   * Its pod is evicted, drained or preempted: the outcome depends on whether its last status was captured.
   */
  takePod(workflow: ArgoWorkflow, captured = this.settings.capturesPodStatus): void {
    const trapped = this.#runOf(workflow).outcome?.atSigterm === 'exits-0'
    this.finish(workflow, podTaken(captured, trapped))
  }

  /** A retried workflow begins again. */
  retry(workflow: ArgoWorkflow): void {
    const run = this.#runOf(workflow)
    run.retries++
    run.outcome = undefined
    run.endsAt = undefined
    this.#plan(run, 'reconcile', this.#runtime.now() + this.#delayOf(workflow))
  }

  /** Its spec was changed: it is reconciled soon, unless it ends before. */
  touch(workflow: ArgoWorkflow): void {
    const run = this.#runOf(workflow)
    const at = this.#runtime.now() + this.#delayOf(workflow)
    if (run.next?.step !== 'finish' || at < (run.endsAt ?? 0)) this.#plan(run, 'reconcile', at)
  }

  /** Ends a finished workflow's time to live. */
  expire(workflow: ArgoWorkflow): void {
    this.#do(this.#runOf(workflow), 'expire', this.#runtime.now())
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
    // Created with this label it is ignored by the controller for ever.
    if (labels[LABEL_COMPLETED] === 'true') return
    this.#plan(this.#runOf(workflow), 'reconcile', this.#runtime.now() + this.#delayOf(workflow))
  }

  /** Its planned steps must not apply to another workflow of its name. */
  #forget(uid: string): void {
    const run = this.#runs.get(uid)
    if (run === undefined) return
    this.#runs.delete(uid)
    run.next = undefined
    this.#leave(run)
  }

  #runOf(workflow: ArgoWorkflow): Run {
    const { metadata } = workflow
    const known = this.#runs.get(metadata.uid)
    if (known !== undefined) return known
    const run = newRun(workflow)
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
      case 'begin':
        run.held = false
        return this.#planEnd(run, this.#cluster.replace(begun(workflow)), at)
      case 'finish':
        return this.#end(run, this.#restricted(workflow) ?? run.outcome ?? {}, at)
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
    if (isFinal(workflow.status.phase)) return
    if (workflow.status.phase !== 'Running') return this.#admit(run, workflow, at)
    const strategy = shutdownOf(workflow)
    if (strategy === undefined) this.#planEnd(run, workflow, at)
    else this.#shutDown(run, workflow, { strategy, at })
  }

  /**
   * First a slot, then its locks. A workflow that waits for a slot ignores shutdowns; one that waits for a
   * lock ignores all but Terminate.
   */
  #admit(run: Run, workflow: ArgoWorkflow, at: number): void {
    if (this.#slots.taken >= this.settings.parallelism) {
      this.#slots.wait(run)
      if (workflow.status.phase !== 'Pending') this.#cluster.replace(postponed(workflow, TOO_MANY))
      return
    }
    const message = run.locked ?? this.#lockOf(run, workflow)
    if (message === undefined) return this.#start(run, at)
    const strategy = shutdownOf(workflow)
    if (strategy === 'Terminate' && this.settings.terminatedWaiter === 'at-once') {
      return this.#end(run, this.#rules.terminatedWaiterSucceeds ? {} : shutDown(strategy), at)
    }
    if (workflow.status.message !== message) this.#cluster.replace(postponed(workflow, message))
  }

  /** Takes its mutexes, or returns the message about one that another workflow holds. */
  #lockOf(run: Run, { spec, metadata }: ArgoWorkflow): string | undefined {
    const resolved = this.#templates.resolved(spec, run.namespace) ?? {}
    const missing = this.#locks.take(run, mutexesOf(resolved))
    return missing === undefined ? undefined : waitingFor(metadata.namespace, missing)
  }

  #start(run: Run, at: number): void {
    const workflow = this.#cluster.get(run.namespace, run.name)
    if (workflow === undefined) return
    const resolved = this.#templates.resolved(workflow.spec, run.namespace)
    if (resolved === undefined) return this.#end(run, unresolvedEnding(workflow), at)
    const restricted = this.#restricted(workflow)
    if (restricted !== undefined) return this.#end(run, restricted, at)
    run.locked = undefined
    this.#slots.take(run)
    const parameters = runParameters(workflow, resolved)
    const next = started(workflow, { resolved, parameters, at })
    if (isTooLargeToStore(next)) return this.#failToStore(run, at)
    const running = this.#cluster.replace(next)
    const kubelet = new Kubelet(this.settings.kubelet)
    const start = { resolved, parameters, templates: this.#templates, kubelet }
    const { retries } = run
    const { outcome, podRefusal } = this.settings
    run.outcome ??= plannedOutcome(running, { start, retries, rule: outcome, podRefusal })
    if (shutdownOf(running) !== undefined) this.#reconcile(run, running, at)
    else this.#begin(run, running, at)
  }

  #begin(run: Run, workflow: ArgoWorkflow, at: number): void {
    const held = run.outcome?.heldUp
    if (held === undefined) return this.#planEnd(run, workflow, at)
    run.held = true
    this.#cluster.replace(heldUp(workflow, held.message))
    this.#plan(run, 'begin', at + (held.forMs ?? Number.POSITIVE_INFINITY))
  }

  /** A shutdown: its program dies of it, handles the signal and exits 0, or never gets it. */
  #shutDown(
    run: Run,
    workflow: ArgoWorkflow,
    { strategy, at }: { readonly strategy: string; readonly at: number },
  ): void {
    const runs = !run.held && run.endsAt !== undefined && isPod(workflow)
    const ending = endAtShutdown(strategy, {
      runs,
      mayExec: this.settings.mayExec,
      outcome: run.outcome,
      trappedSucceeds: this.#rules.trappedShutdownSucceeds,
    })
    if (ending !== undefined) return this.#end(run, ending, at)
    this.#planEnd(run, this.#cluster.replace(withNode(workflow, { message: toldToEnd(strategy) })), at)
  }

  #failToStore(run: Run, at: number): void {
    if (this.settings.tooLarge === 'never') this.#leave(run, at)
    else this.#end(run, { phase: 'Error', message: 'etcdserver: request is too large' }, at)
  }

  /**
   * Suspended before it began, it is Running and does nothing until it is resumed; what has begun goes on.
   */
  #planEnd(run: Run, workflow: ArgoWorkflow, at: number): void {
    if (run.held || (run.endsAt === undefined && workflow.spec['suspend'] === true)) return
    run.endsAt ??= at + (run.outcome?.afterMs ?? 0)
    this.#plan(run, 'finish', Math.max(at, run.endsAt))
  }

  #restricted(workflow: ArgoWorkflow): Ending | undefined {
    const { templateReferencing } = this.settings
    const { restrictsOverrides } = this.#rules
    return restrictedEnding(workflow, { templateReferencing, restrictsOverrides, templates: this.#templates })
  }

  #end(run: Run, outcome: Ending, at: number): void {
    const workflow = this.#cluster.get(run.namespace, run.name)
    if (workflow === undefined || isFinal(workflow.status.phase)) return
    const ended = this.#cluster.replace(finished(workflow, { outcome, at, archives: this.#archive.enabled }))
    run.locked = undefined
    run.held = false
    if (this.#archive.enabled) this.#plan(run, 'archive', at + this.settings.archiveLagMs)
    else this.#planExpiry(run, ended)
    this.#leave(run, at)
  }

  #planExpiry(run: Run, workflow: ArgoWorkflow): void {
    const at = expiryOf(workflow)
    if (at === undefined) run.next = undefined
    else this.#plan(run, 'expire', at)
  }

  /**
   * Frees its slot for the waiting workflow of the highest priority, the first of those, and its locks for
   * the first that waits.
   */
  #leave(run: Run, at = this.#runtime.now()): void {
    this.#slots.leave(run)
    this.#locks.leave(run)
    this.fillSlots(at)
    if (!this.paused) for (const one of this.#locks.waiting) this.#do(one, 'reconcile', at)
  }

  /** Starts what may run; to be called after `parallelism` was raised. */
  fillSlots(at = this.#runtime.now()): void {
    while (!this.paused && this.#slots.taken < this.settings.parallelism) {
      const next = this.#slots.next((run) => this.#priorityOf(run))
      if (next === undefined) return
      this.#slots.leave(next)
      this.#do(next, 'reconcile', at)
    }
  }

  #priorityOf(run: Run): number {
    const priority = this.#cluster.get(run.namespace, run.name)?.spec['priority']
    return typeof priority === 'number' ? priority : 0
  }
}
