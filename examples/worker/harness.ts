// What the contract needs of the worker beside it: `npx @sluice/testkit verify ./harness.ts`.
import type { JobRef, TroubleConcerns, Worker } from '@sluice/core'
import type { TroubledSends, WorkerHarness } from '@sluice/testkit'
import { FakeKubernetes, type FakeJob, type Trouble } from './fake-kubernetes.ts'
import { openWorker } from './kubernetes-worker.ts'

const REFUSED = 'an item that is refused'
const REJECTION: Trouble = { status: 422, message: 'Job.batch is invalid: spec.template.spec' }
const UNREACHABLE = 'http://127.0.0.1:1'

export async function harness(): Promise<WorkerHarness> {
  const fake = await FakeKubernetes.start()
  fake.onRequest = ({ method, body }) => (method === 'POST' && isOf(REFUSED, body) ? REJECTION : undefined)
  const open = async (name = 'contract') => openOn(fake, { name })
  return {
    open,
    body: () => ({ n: 1 }),
    finish: async (ref, how) => {
      const failed = { type: 'Failed', status: 'True', reason: 'BackoffLimitExceeded' } as const
      const ended = how === 'FAIL' ? failed : ({ type: 'Complete', status: 'True' } as const)
      for (const job of jobsOf(fake, ref)) job.status = { conditions: [ended] }
    },
    starts: async (ref) => {
      const counts = jobsOf(fake, ref).map(({ metadata }) => fake.created.get(metadata.name) ?? 0)
      return counts.reduce((sum, count) => sum + count, 0)
    },
    hasJobUids: true,
    loseJob: async (ref) => {
      for (const { metadata } of jobsOf(fake, ref)) fake.jobs.delete(metadata.name)
    },
    refusedItem: () => ({ id: REFUSED, body: null }),
    openUnreachable: () => openOn(fake, { name: 'contract', baseUrl: UNREACHABLE }),
    openDenied: async () => {
      fake.onRequest = () => ({ status: 401, message: 'Unauthorized' })
      return open()
    },
    openTroubledSends: async (concerns) => troubledSends(fake, await open(), concerns),
    openCrashing: (point) => openCrashing(fake, point),
    close: () => fake.close(),
  }
}

function openOn(
  { url, token }: FakeKubernetes,
  options: { readonly name: string; readonly baseUrl?: string; readonly token?: string },
): Promise<Worker> {
  const job = { namespace: 'default', image: 'busybox', command: ['sh', '-c', 'echo "$ITEM"'] }
  return openWorker({ baseUrl: url, token, ...job, ...options })
}

function isOf(id: string, body: string): boolean {
  return JSON.parse(body).metadata.annotations['sluice/id'] === id
}

function jobsOf(fake: FakeKubernetes, ref: JobRef): FakeJob[] {
  return [...fake.jobs.values()].filter(({ metadata: { annotations } }) => {
    return annotations['sluice/uid'] === ref.uid && annotations['sluice/attempt'] === String(ref.attempt)
  })
}

const TROUBLES: Readonly<Record<TroubleConcerns, Trouble>> = {
  item: REJECTION,
  worker: { status: 500, message: 'etcdserver: leader changed' },
  capacity: { status: 403, message: 'jobs.batch is forbidden: exceeded quota: jobs' },
}

/** An item that the API server refuses is refused for good: there is no passing trouble of one item. */
async function troubledSends(
  fake: FakeKubernetes,
  worker: Worker,
  concerns: TroubleConcerns,
): Promise<TroubledSends | undefined> {
  if (concerns === 'item') return undefined
  const before = fake.onRequest
  return {
    worker,
    obstruct: async () => {
      fake.onRequest = ({ method }) => (method === 'POST' ? TROUBLES[concerns] : undefined)
    },
    restore: async () => {
      fake.onRequest = before
    },
  }
}

/** Two points for each request: the process dies before it takes effect, or before its answer comes. */
async function openCrashing(fake: FakeKubernetes, point: number) {
  const token = 'of a process that dies'
  let passed = 0
  const before = fake.onRequest
  fake.onRequest = (request) => {
    if (request.token !== token) return before(request)
    const died = passed - point
    passed += 2
    if (died >= 0) return 'drop-request'
    return died === -1 ? 'drop-answer' : before(request)
  }
  const worker = await openOn(fake, { name: 'contract', token })
  return { worker, crashed: () => passed > point }
}
