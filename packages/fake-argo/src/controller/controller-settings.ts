import type { ArgoWorkflow } from '../argo-workflow.js'
import type { KubeletVersion } from '../pods/kubelet.js'
import { outcomeByParameters, type OutcomeRule } from './outcome.js'
import { outputByParameters, type OutputRule } from '../pods/pod-logs.js'
import type { PodRefusalRule } from '../pods/pod-refusals.js'
import type { TemplateReferencing } from '../cluster/template-referencing.js'

/** The settings of the controller; all of them can be changed later. */
export interface ControllerSettings {
  /**
   * Ms until it reconciles a new workflow, or one that was acted on. `Infinity`: never by itself. Default 50.
   */
  reconcileDelayMs: number | ((workflow: ArgoWorkflow) => number)
  /** How many run concurrently; the others are Pending. Default `Infinity`. */
  parallelism: number
  /** How each one ends. Default {@link outcomeByParameters}. */
  outcome: OutcomeRule
  /** What its main program writes. Default that of the test template. */
  output: OutputRule
  /** Ms from a workflow's end until the archive has it. Default 0. */
  archiveLagMs: number
  /** Ms during which a workflow is listed twice, as archived and as live. Default 0. */
  archiveOverlapMs: number
  /**
   * When a workflow ends that is terminated while it waits for a lock: both were observed. Default `at-once`.
   */
  terminatedWaiter: 'at-once' | 'with-lock'
  /** Whether it may exec into pods, which stopping a program needs. Default yes. */
  mayExec: boolean
  /**
   * Whether it sees the last status of each removed pod (`ARGO_POD_STATUS_CAPTURE_FINALIZER`).
   * Default no.
   */
  capturesPodStatus: boolean
  /**
   * The version of the kubelets, as far as they differ here: up to 1.34.3, or from 1.34.4 on. Default the
   * latter.
   */
  kubelet: KubeletVersion
  /**
   * What happens to a workflow that was accepted and is too large to be stored once it runs: it ends, or
   * never gets a phase. Default `error`.
   */
  tooLarge: 'error' | 'never'
  /** Pods that Kubernetes refuses to create, such as {@link podRefusals}. Default none. */
  podRefusal: PodRefusalRule | undefined
  /** `workflowRestrictions.templateReferencing`. Default none. */
  templateReferencing: TemplateReferencing | undefined
}

export const defaultControllerSettings: ControllerSettings = {
  reconcileDelayMs: 50,
  parallelism: Number.POSITIVE_INFINITY,
  outcome: outcomeByParameters,
  output: outputByParameters,
  archiveLagMs: 0,
  archiveOverlapMs: 0,
  terminatedWaiter: 'at-once',
  mayExec: true,
  capturesPodStatus: false,
  kubelet: '1.34.4',
  tooLarge: 'error',
  podRefusal: undefined,
  templateReferencing: undefined,
}
