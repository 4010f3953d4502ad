import type { ArgoApi } from '../api/argo-api.js'
import { argoFailure } from '../api/argo-errors.js'
import { isWorkflowOf } from '../jobs/job-identity.js'
import { LABELS, type JobName } from '../jobs/job-name.js'
import type { Reply } from '../api/reply.js'
import { isOutdated, newestOf, type Seen } from './seen-run.js'
import { judgeRead, type Verdict } from '../api/verdict.js'
import {
  endedPhase,
  isArchived,
  workflowListSchema,
  workflowSchema,
  type Workflow,
  type WorkflowList,
} from './workflow.js'
import { WHOLE_FIELDS } from './workflow-pages.js'

/** What there is under a job's name. */
export type Found =
  | { readonly kind: 'ours'; readonly workflow: Workflow }
  /** Something that isn't the job's has its name. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'absent' }

const WITH_NODES = WHOLE_FIELDS.join(',')
const FIELDS = WHOLE_FIELDS.filter((each) => each !== 'status.nodes').join(',')
const OF_ROWS = ['metadata', ...FIELDS.split(',').map((each) => `items.${each}`)].join(',')

/**
 * Asks for single workflows by their names: the one authoritative answer, since it comes from Kubernetes
 * itself and not from a cache [W-LOOK-1].
 */
export class WorkflowReader {
  readonly #api: ArgoApi
  readonly #namespace: string
  readonly #onLimit: (retryAfterMs: number) => void

  /** @param onLimit called when the server's limiter asks for no requests for this long */
  constructor(api: ArgoApi, namespace: string, onLimit: (retryAfterMs: number) => void) {
    this.#api = api
    this.#namespace = namespace
    this.#onLimit = onLimit
  }

  /**
   * The job's workflow, live or else out of the archive.
   *
   * @param seen what is known of its latest run: an archived row of an earlier one is not its end
   * @throws SluiceError SLUICE_WORKER_UNAVAILABLE, SLUICE_WORKER_DENIED: then nothing is known
   */
  async find(job: JobName, seen: Seen = {}): Promise<Found> {
    const found = await this.findByName(job, seen)
    return found.kind === 'absent' ? this.#findArchived(job, seen) : found
  }

  /**
   * The same by one request: what the server knows under the name, the archive included where it reads that
   * by itself.
   */
  async findByName(job: JobName, seen: Seen = {}): Promise<Found> {
    const path = `workflows/${this.#namespace}/${job.workflow}`
    const reply = await this.#api.get(path, { fields: WITH_NODES })
    // Nodes that were moved to a database can't be read while that is down; all else can.
    if (reply.kind === 'answer' && reply.status === 500 && reply.retryAfterMs === undefined)
      return this.#current(this.#read(await this.#api.get(path, { fields: FIELDS }), job), job, seen)
    return this.#current(withNodes(this.#read(reply, job)), job, seen)
  }

  /**
   * The server reads the archive whatever the trouble with the live one is, and there may be only a row from
   * before a retry.
   */
  async #current(found: Found, job: JobName, seen: Seen): Promise<Found> {
    if (found.kind !== 'ours' || !isOutdated(found.workflow, seen)) return found
    const list = this.#listOf(
      await this.#api.get(`workflows/${this.#namespace}`, {
        'listOptions.labelSelector': `${LABELS.job}=${job.key}`,
        'listOptions.limit': '5',
        fields: OF_ROWS,
      }),
      job,
    )
    // A server that names no version has not read its workflows yet.
    if (!list?.metadata?.resourceVersion)
      throw argoFailure(
        { kind: 'unavailable', why: 'the live one could not be read' },
        reading(job),
        job.ref.id,
      )
    const row = list.items?.find((workflow) => isWorkflowOf(workflow, job) && !isArchived(workflow))
    if (row === undefined) return { kind: 'absent' }
    // It is there. How it ended, if it did, only an answer about it alone says.
    const ended = endedPhase(row) !== undefined
    return { kind: 'ours', workflow: ended ? { ...row, status: { ...row.status, phase: null } } : row }
  }

  #listOf(reply: Reply, job: JobName): WorkflowList | undefined {
    const verdict = judgeRead(reply)
    return verdict.kind === 'absent'
      ? undefined
      : workflowListSchema.safeParse(this.#done(verdict, job).json).data
  }

  #read(reply: Reply, job: JobName): Found {
    if (reply.kind === 'answer' && reply.status === 429 && reply.retryAfterMs !== undefined)
      this.#onLimit(reply.retryAfterMs)
    const verdict = judgeRead(reply)
    if (verdict.kind === 'absent') return { kind: 'absent' }
    const workflow = workflowSchema.safeParse(this.#done(verdict, job).json)
    if (!workflow.success) {
      throw argoFailure({ kind: 'misdirected', why: 'the answer is no workflow' }, reading(job), job.ref.id)
    }
    return isWorkflowOf(workflow.data, job) ? { kind: 'ours', workflow: workflow.data } : { kind: 'foreign' }
  }

  /** Where GET doesn't find what is in the archive: older servers, and some that hold several of one name. */
  async #findArchived(job: JobName, seen: Seen): Promise<Found> {
    const reply = await this.#api.get('archived-workflows', {
      'listOptions.labelSelector': `${LABELS.job}=${job.key}`,
      'listOptions.fieldSelector': `metadata.namespace=${this.#namespace}`,
      'listOptions.limit': '5',
    })
    if (hasNoArchive(reply)) return { kind: 'absent' }
    const list = this.#listOf(reply, job)
    const row = newestOf(list?.items?.filter((workflow) => isWorkflowOf(workflow, job)) ?? [])
    if (row === undefined || isOutdated(row, seen)) return { kind: 'absent' }
    // Lists of the archive have neither outputs nor nodes.
    const whole = await this.#api.get(`archived-workflows/${row.metadata.uid}`)
    return this.#read(whole, job)
  }

  #done(verdict: Verdict, job: JobName): Extract<Verdict, { readonly kind: 'done' }> {
    if (verdict.kind !== 'done') throw argoFailure(verdict, reading(job), job.ref.id)
    return verdict
  }
}

/** Nodes were asked for: where there are none, that is known. */
function withNodes(found: Found): Found {
  if (found.kind !== 'ours') return found
  const { workflow } = found
  const nodes = workflow.status?.nodes ?? {}
  return { kind: 'ours', workflow: { ...workflow, status: { ...workflow.status, nodes } } }
}

function reading({ workflow }: JobName): string {
  return `read workflow ${workflow}`
}

/**
 * Then what isn't live can't be read anywhere. A missing permission is another matter: it says nothing of
 * what is there.
 */
function hasNoArchive(reply: Reply): boolean {
  return (
    reply.kind === 'answer' && (reply.status === 501 || /not supported/iu.test(reply.error?.message ?? ''))
  )
}
