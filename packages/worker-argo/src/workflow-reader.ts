import type { ArgoApi } from './argo-api.js'
import { argoFailure } from './argo-errors.js'
import { isWorkflowOf } from './job-identity.js'
import { LABELS, type JobName } from './job-name.js'
import type { Reply } from './reply.js'
import { judgeRead, type Verdict } from './verdict.js'
import { workflowListSchema, workflowSchema, type Workflow } from './workflow.js'

/** What there is under a job's name. */
export type Found =
  | { readonly kind: 'ours'; readonly workflow: Workflow }
  /** Something that isn't the job's: somebody else took the name. */
  | { readonly kind: 'stranger' }
  | { readonly kind: 'absent' }

const OF_STATUS = ['phase', 'message', 'progress', 'startedAt', 'finishedAt', 'outputs', 'resourcesDuration']
const FIELDS = [
  ...['name', 'uid', 'creationTimestamp', 'labels', 'annotations'].map((each) => `metadata.${each}`),
  'spec.shutdown',
  'spec.suspend',
  ...OF_STATUS.map((each) => `status.${each}`),
].join(',')
const WITH_NODES = `${FIELDS},status.nodes`

/**
 * Asks for single workflows by their names: the one answer that settles every doubt, since it comes from Kubernetes itself and not
 * from a cache [W-LOOK-1].
 */
export class WorkflowReader {
  readonly #api: ArgoApi
  readonly #namespace: string

  constructor(api: ArgoApi, namespace: string) {
    this.#api = api
    this.#namespace = namespace
  }

  /**
   * The job's workflow, live or else out of the archive.
   *
   * @throws SluiceError SLUICE_WORKER_UNAVAILABLE, SLUICE_WORKER_DENIED: then nothing is known
   */
  async find(job: JobName): Promise<Found> {
    const found = await this.findByName(job)
    return found.kind === 'absent' ? this.#findArchived(job) : found
  }

  /** The same by one request: what the server knows under the name, the archive included where it looks there by itself. */
  async findByName(job: JobName): Promise<Found> {
    const path = `workflows/${this.#namespace}/${job.workflow}`
    const reply = await this.#api.get(path, { fields: WITH_NODES })
    // Nodes that were moved to a database can't be read while that is down; all else can.
    if (reply.kind === 'answer' && reply.status === 500)
      return this.#read(await this.#api.get(path, { fields: FIELDS }), job)
    return withNodes(this.#read(reply, job))
  }

  #read(reply: Reply, job: JobName): Found {
    const verdict = judgeRead(reply)
    if (verdict.kind === 'absent') return { kind: 'absent' }
    const workflow = workflowSchema.safeParse(this.#done(verdict, job).json)
    if (!workflow.success) {
      throw argoFailure({ kind: 'misdirected', why: 'the answer is no workflow' }, reading(job), job.ref.id)
    }
    return isWorkflowOf(workflow.data, job) ? { kind: 'ours', workflow: workflow.data } : { kind: 'stranger' }
  }

  /** Where GET doesn't find what is in the archive: older servers, and some that hold several of one name. */
  async #findArchived(job: JobName): Promise<Found> {
    const reply = await this.#api.get('archived-workflows', {
      'listOptions.labelSelector': `${LABELS.job}=${job.key}`,
      'listOptions.fieldSelector': `metadata.namespace=${this.#namespace}`,
      'listOptions.limit': '5',
    })
    if (hasNoArchive(reply)) return { kind: 'absent' }
    const verdict = judgeRead(reply)
    if (verdict.kind === 'absent') return { kind: 'absent' }
    const list = workflowListSchema.safeParse(this.#done(verdict, job).json)
    const row = list.data?.items?.find((workflow) => isWorkflowOf(workflow, job))
    if (row === undefined) return { kind: 'absent' }
    // Lists of the archive have neither outputs nor nodes.
    const whole = await this.#api.get(`archived-workflows/${row.metadata.uid}`)
    return this.#read(whole, job)
  }

  #done(verdict: Verdict, job: JobName): Extract<Verdict, { readonly kind: 'done' }> {
    if (verdict.kind !== 'done') throw argoFailure(verdict, reading(job), job.ref.id)
    return verdict
  }
}

/** They were asked for: where there are none, that is known. */
function withNodes(found: Found): Found {
  if (found.kind !== 'ours') return found
  const { workflow } = found
  const nodes = workflow.status?.nodes ?? {}
  return { kind: 'ours', workflow: { ...workflow, status: { ...workflow.status, nodes } } }
}

function reading({ workflow }: JobName): string {
  return `tell of workflow ${workflow}`
}

/** Then what isn't live is nowhere to be read. A permission that is missing is another matter: it says nothing of what is there. */
function hasNoArchive(reply: Reply): boolean {
  return (
    reply.kind === 'answer' && (reply.status === 501 || /not supported/iu.test(reply.error?.message ?? ''))
  )
}
