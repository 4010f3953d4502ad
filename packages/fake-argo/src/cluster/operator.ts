import { ArgoRefusal } from '../server/answer.js'
import {
  deleteWorkflow,
  resubmitWorkflow,
  resumeWorkflow,
  retryWorkflow,
  shutDownWorkflow,
  suspendWorkflow,
} from '../operations/action-operations.js'
import { asObject, asText, type ArgoWorkflow, type JsonObject } from '../argo-workflow.js'
import type { ArgoParts, OperationContext } from '../operations/operation-context.js'
import type { ArgoOperation } from '../server/operation.js'
import type { Replica } from '../server/replica.js'

/** What an operator can do to a workflow in Argo's own UI, or with kubectl. */
export const operatorActions = [
  'retry',
  'resubmit',
  'stop',
  'terminate',
  'suspend',
  'resume',
  'delete',
  'recreate',
  'deletePod',
  'takePod',
] as const

/** One of them. */
export type OperatorAction = (typeof operatorActions)[number]

const SUBJECT = 'system:serviceaccount:argo:operator'

/**
 * An operator at Argo's UI. What the server refuses, such as the retry of a running workflow, is thrown as an
 * error with its text, and changes nothing.
 */
export class Operator {
  readonly #parts: ArgoParts
  readonly #replica: Replica
  readonly #namespace: string

  constructor(parts: ArgoParts, replica: Replica, namespace: string) {
    this.#parts = parts
    this.#replica = replica
    this.#namespace = namespace
  }

  /** Performs one of {@link operatorActions}, and returns whether the server accepted it. */
  attempt(action: OperatorAction, name: string): boolean {
    try {
      this[action](name)
      return true
    } catch (error) {
      if (error instanceof ArgoRefusal) return false
      throw error
    }
  }

  /** Runs a failed workflow again under its name and uid. */
  retry(name: string): void {
    retryWorkflow(this.#context('RetryWorkflow', name))
  }

  /** Creates a copy with its labels under a generated name, which is returned. */
  resubmit(name: string): string {
    const made = resubmitWorkflow(this.#context('ResubmitWorkflow', name))
    return asText(asObject(made['metadata'])['name']) ?? ''
  }

  stop(name: string): void {
    shutDownWorkflow(this.#context('StopWorkflow', name), 'Stop')
  }

  terminate(name: string): void {
    shutDownWorkflow(this.#context('TerminateWorkflow', name), 'Terminate')
  }

  suspend(name: string): void {
    suspendWorkflow(this.#context('SuspendWorkflow', name))
  }

  resume(name: string): void {
    resumeWorkflow(this.#context('ResumeWorkflow', name))
  }

  delete(name: string): void {
    deleteWorkflow(this.#context('DeleteWorkflow', name))
  }

  /** Deletes it and creates it again from the same manifest: same name and labels, another uid. */
  recreate(name: string): ArgoWorkflow {
    const { cluster, names, now } = this.#parts
    const old = this.#existing(name)
    this.delete(name)
    const { metadata } = old
    const own = Object.entries(metadata.labels).filter(([key]) => !SET_BY_CONTROLLER.test(key))
    const { shutdown: _, suspend: __, ...spec } = old.spec
    return cluster.add({
      metadata: {
        ...metadata,
        uid: names.uid(),
        generation: 1,
        creationTimestamp: `${new Date(now()).toISOString().slice(0, 19)}Z`,
        labels: Object.fromEntries(own),
      },
      spec,
      status: { startedAt: null, finishedAt: null },
    })
  }

  /** Deletes the pod of a running workflow: it ends in Error. */
  deletePod(name: string): void {
    this.#parts.controller.finish(this.#running(name), { phase: 'Error', message: 'pod deleted' })
  }

  /**
   * The cluster removes the pod of a running workflow: an eviction, a drain, a taint, a preemption. By
   * default it is a race whether the controller sees the pod's last status; if it does, the only evidence is
   * the exit code, and there is none where the program exits 0.
   *
   * @param captured whether the controller does. Default its setting `capturesPodStatus`
   */
  takePod(name: string, captured?: boolean): void {
    this.#parts.controller.takePod(this.#running(name), captured)
  }

  #running(name: string): ArgoWorkflow {
    const workflow = this.#existing(name)
    if (workflow.status.phase !== 'Running') throw new ArgoRefusal(5, `pods "${name}" not found`)
    return workflow
  }

  #existing(name: string): ArgoWorkflow {
    this.#parts.controller.catchUp()
    const found = this.#parts.cluster.get(this.#namespace, name)
    if (found === undefined) throw new ArgoRefusal(5, `workflows.argoproj.io "${name}" not found`)
    return found
  }

  #context(operation: ArgoOperation, name: string, body: JsonObject = {}): OperationContext {
    this.#parts.controller.catchUp()
    return {
      parts: this.#parts,
      replica: this.#replica,
      caller: { subject: SUBJECT },
      request: {
        index: -1,
        operation,
        method: 'PUT',
        path: '',
        namespace: this.#namespace,
        name,
        query: new URLSearchParams(),
        headers: {},
        body: JSON.stringify(body),
      },
    }
  }
}

const SET_BY_CONTROLLER =
  /^workflows\.argoproj\.io\/(?:phase|completed|workflow-archiving-status|action|actor)$/
