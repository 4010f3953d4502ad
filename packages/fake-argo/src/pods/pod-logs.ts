import { asArray, asObject, asText, isFinal, type ArgoWorkflow } from '../argo-workflow.js'
import type { Cluster, WorkflowChange } from '../cluster/cluster.js'

/** One line that a container wrote. */
export interface PodLine {
  readonly pod: string
  readonly container: string
  /** As Kubernetes writes it, to the nanosecond. */
  readonly at: string
  readonly text: string
}

/**
 * What a workflow's main program writes at its beginning and at its end; called for both. Lines end with a
 * line break.
 */
export type OutputRule = (workflow: ArgoWorkflow, moment: 'begin' | 'end') => string

/** As the test template has it. */
export const outputByParameters: OutputRule = (workflow, moment) => {
  const { item = '', seconds = '1', mode } = inputsOf(workflow)
  if (moment === 'begin') return `working on ${item} for ${seconds} s\n`
  return mode === 'fail' ? 'told to fail\n' : ''
}

function inputsOf({ metadata, status }: ArgoWorkflow): Readonly<Record<string, string>> {
  const inputs = asObject(status.nodes?.[metadata.name]?.['inputs'])
  const pairs = asArray(inputs['parameters']).map((each) => {
    const { name, value } = asObject(each)
    return [asText(name) ?? '', asText(value) ?? ''] as const
  })
  return Object.fromEntries(pairs)
}

interface WorkflowPods {
  /** They were deleted, and their logs with them. */
  gone: boolean
  readonly lines: PodLine[]
}

/** The pods that have begun, and what their containers wrote. A pod's log lives as long as the pod. */
export class PodLogs {
  readonly #now: () => number
  readonly #output: () => OutputRule
  readonly #pods = new Map<string, WorkflowPods>()
  #written = 0

  constructor(cluster: Cluster, now: () => number, output: () => OutputRule) {
    this.#now = now
    this.#output = output
    cluster.listen((change) => this.#follow(change))
  }

  /**
   * The readable lines, in the order of writing: a list that grows, and that an open reader keeps when the
   * pods are deleted.
   */
  linesOf({ metadata }: ArgoWorkflow): readonly PodLine[] {
    const pods = this.#podsOf(metadata.uid)
    return pods.gone ? [] : pods.lines
  }

  /** @param pod default the workflow's own, which is the only one where its entrypoint is a container */
  write(
    { metadata }: ArgoWorkflow,
    bytes: string | Uint8Array,
    { pod = metadata.name, container = 'main' }: { readonly pod?: string; readonly container?: string } = {},
  ): void {
    const pods = this.#podsOf(metadata.uid)
    // JSON has no invalid UTF-8, and Go's line scanner takes a carriage return as part of the line break.
    const texts = Buffer.from(bytes).toString('utf8').split('\n')
    if (texts.at(-1) === '') texts.pop()
    for (const text of texts)
      pods.lines.push({ pod, container, at: this.#instant(), text: text.replace(/\r$/u, '') })
  }

  /** Its pods are deleted, as `podGC` does once they have ended. */
  deletePods({ metadata }: ArgoWorkflow): void {
    this.#podsOf(metadata.uid).gone = true
  }

  #podsOf(uid: string): WorkflowPods {
    const known = this.#pods.get(uid)
    if (known !== undefined) return known
    const pods = { gone: false, lines: [] }
    this.#pods.set(uid, pods)
    return pods
  }

  #follow({ type, workflow, previous }: WorkflowChange): void {
    if (type === 'DELETED') {
      this.#pods.delete(workflow.metadata.uid)
      return
    }
    if (hasBegun(workflow) && (previous === undefined || !hasBegun(previous))) {
      this.write(workflow, 'Starting Workflow Executor\n', { container: 'wait' })
      this.#writeOutput(workflow, 'begin')
    }
    // The controller creates the node first, and then reports that its pod cannot begin.
    if (
      !isFinal(workflow.status.phase) &&
      !hasBegun(workflow) &&
      previous !== undefined &&
      hasBegun(previous)
    )
      this.#podsOf(workflow.metadata.uid).lines.length = 0
    const hasEnded =
      previous !== undefined && !isFinal(previous.status.phase) && isFinal(workflow.status.phase)
    if (!hasEnded || !hasBegun(previous)) return
    this.#writeOutput(workflow, 'end')
    if (isCollected(workflow)) this.deletePods(workflow)
  }

  #writeOutput(workflow: ArgoWorkflow, moment: 'begin' | 'end'): void {
    const text = this.#output()(workflow, moment)
    if (text !== '') this.write(workflow, text)
  }

  /** Unique instants: a clock of nanoseconds. */
  #instant(): string {
    const fraction = String(this.#written++ % 1_000_000).padStart(6, '0')
    return new Date(this.#now()).toISOString().replace('Z', `${fraction}Z`)
  }
}

/** Whether its pod has. */
function hasBegun({ metadata, status }: ArgoWorkflow): boolean {
  const node = status.nodes?.[metadata.name]
  return node?.['type'] === 'Pod' && node['phase'] !== 'Pending'
}

const COLLECTED_AT_END = new Set(['OnPodCompletion', 'OnWorkflowCompletion'])
const COLLECTED_AT_SUCCESS = new Set(['OnPodSuccess', 'OnWorkflowSuccess'])

function isCollected({ spec, status }: ArgoWorkflow): boolean {
  const podGc = spec['podGC'] ?? status.storedWorkflowTemplateSpec?.['podGC']
  const strategy = asText(asObject(podGc)['strategy']) ?? ''
  return (
    COLLECTED_AT_END.has(strategy) || (status.phase === 'Succeeded' && COLLECTED_AT_SUCCESS.has(strategy))
  )
}
