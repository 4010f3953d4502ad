import { SluiceError, type JobRef, type Worker } from '@sluice/core'
import { wrapWorker, type WorkerHarness } from '@sluice/testkit'
import { testWorker } from '@sluice/testkit/vitest'
import { JobStore, type DummyWorker } from '../src/index.js'

function nameOf({ id, uid, attempt }: JobRef): string {
  return JSON.stringify([id, uid, attempt])
}

function harness(): WorkerHarness {
  const starts = new Map<string, number>()
  const store = new JobStore({
    onStart: (job) => starts.set(nameOf(job), (starts.get(nameOf(job)) ?? 0) + 1),
  })
  const opened: DummyWorker[] = []
  const open = (name = 'contract'): DummyWorker => {
    const worker = store.worker({ name, identity: 'here', maxJobsPerSend: 3 })
    opened.push(worker)
    return worker
  }
  /** Another object on the same jobs: those under test may be in trouble, or closed. */
  const ownerOf = (job: JobRef): DummyWorker => {
    const owner = opened.find((worker) => worker.running().some((running) => nameOf(running) === nameOf(job)))
    if (owner === undefined) throw new Error(`no worker runs ${nameOf(job)}`)
    return store.worker({ name: owner.name })
  }
  return {
    open: async (name) => open(name),
    openElsewhere: async () => new JobStore().worker({ name: 'contract', identity: 'elsewhere' }),
    body: () => null,
    async finish(job, how) {
      const exitCode = how === 'SUCCESS' ? 0 : 3
      ownerOf(job).settleJob(job.id, { stage: how, message: how, exitCode }, job)
    },
    async writeLog(job, bytes) {
      ownerOf(job).writeLog(job.id, bytes, job)
    },
    loseLog: async (job) => store.worker({ name: 'contract' }).loseLog(job.id),
    exactLogs: true,
    hasJobUids: true,
    exitCodes: { SUCCESS: 0, FAIL: 3 },
    loseJob: async (job) => ownerOf(job).loseJob(job.id),
    async openTroubledSends(concerns) {
      const worker = open()
      const obstruct = {
        item: () => worker.troubleItem('troubled'),
        worker: () => worker.unavailableNext(Number.POSITIVE_INFINITY, undefined, { concerns }),
        capacity: () => worker.limitJobs(worker.running().length),
      }[concerns]
      const restore = () => {
        worker.endTrouble()
        worker.limitJobs(Number.POSITIVE_INFINITY)
      }
      return { worker, obstruct: async () => obstruct(), restore: async () => restore() }
    },
    startedWith: async (job) => store.find('contract', job)?.overrides?.['memory'],
    starts: async (job) => starts.get(nameOf(job)) ?? 0,
    async openUnreachable() {
      const worker = open()
      worker.unavailableNext(1_000, undefined, { concerns: 'worker' })
      return worker
    },
    async openDenied() {
      const worker = open()
      worker.denyNext(1_000)
      return worker
    },
    openCrashing: async (point) => crashing(open(), point),
    async sendPending(worker, { id, uid, attempt }, message) {
      await worker.sendJob(id, null, { uid, attempt, queue: worker.name })
      ownerOf({ id, uid, attempt }).holdJob(id, message)
    },
    begin: async (job) => ownerOf(job).beginJob(job.id),
    async openObstructed() {
      const worker = open()
      return {
        worker,
        obstruct: async () => worker.incompleteNext(Number.POSITIVE_INFINITY),
        restore: async () => worker.endTrouble(),
      }
    },
    async close() {
      await Promise.all(opened.map((worker) => worker.close()))
    },
  }
}

/**
 * A send has one outward operation, the start: a process dies before it (0), or after it and before its
 * answer (1).
 */
function crashing(inner: DummyWorker, point: number): { worker: Worker; crashed: () => boolean } {
  let crashed = false
  const dying = async <T>(send: () => Promise<T>): Promise<T> => {
    if (crashed) throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'this process is dead')
    if (point === 1) await send()
    crashed = point <= 1
    if (crashed) throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'this process has just died')
    return send()
  }
  const worker = wrapWorker(inner, {
    sendJob: (...args) => dying(() => inner.sendJob(...args)),
    sendMany: (jobs) => dying(async () => (await inner.sendMany?.(jobs)) ?? []),
  })
  return { worker, crashed: () => crashed }
}

testWorker('DummyWorker', async () => harness())
