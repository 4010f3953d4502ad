import type { JobOverrides, JobRef, JobReport, Worker, WorkerSupports } from '@sluice/core'
import { check, resolves, same } from '../../../check.js'
import type { WorkerCase, WorkerHarness } from '../../worker-harness.js'
import { checkOffered, jobOf, specOf } from '../worker-walk.js'

/** Values that no test place has by itself. */
const [SMALL, LARGE] = ['3600', '7200'] as const

/** W-OVERRIDE-1. */
export const overrideCases: readonly WorkerCase[] = [
  {
    id: 'W-OVERRIDE-1',
    title: 'a job starts with its overrides, and its reports have them',
    needs: lacksOverrides,
    async run(harness) {
      const worker = await harness.open()
      const [job, plain] = [jobOf('a'), jobOf('plain')]
      await sendWith(worker, harness, { job, value: SMALL })
      await sendWith(worker, harness, { job: plain })
      same(await startedWith(harness, job), SMALL, 'the job has the value')
      await reported(worker, harness, { job, value: SMALL })
      await reported(worker, harness, { job: plain })
    },
  },
  {
    id: 'W-OVERRIDE-1/a',
    title: 'sent again with another value it is one job with the first value, and so is its outcome',
    needs: lacksOverrides,
    async run(harness) {
      const worker = await harness.open()
      const [job, ended] = [jobOf('a'), jobOf('ended')]
      for (const each of [job, ended]) await sendWith(worker, harness, { job: each, value: SMALL })
      same(await startedWith(harness, ended), SMALL, 'the job has the value')
      await harness.finish(ended, 'FAIL')
      for (const each of [job, ended]) {
        await resolves(sendWith(worker, harness, { job: each, value: LARGE }), 'sent again it is no error')
        same(await harness.starts(each), 1, 'it did not start a second time')
        await reported(worker, harness, { job: each, value: SMALL })
      }
      same(await startedWith(harness, job), SMALL, 'the job has the first value')
    },
  },
  {
    id: 'W-OVERRIDE-1/b',
    title: 'sendMany gives each of its jobs its own overrides',
    needs: (supports) =>
      lacksOverrides(supports) ??
      (supports.sendMany === undefined ? 'this worker has no sendMany' : undefined),
    async run(harness) {
      const worker = await harness.open()
      checkOffered(worker, 'sendMany')
      const wishes: readonly Wish[] = [
        { job: jobOf('a'), value: SMALL },
        { job: jobOf('b'), value: LARGE },
      ]
      const jobs = wishes.map((wish) => ({
        id: wish.job.id,
        body: harness.body(),
        job: specWith(worker, harness, wish),
      }))
      same(JSON.stringify(await worker.sendMany?.(jobs)), '[null,null]', 'both are sent')
      for (const wish of wishes) {
        same(await startedWith(harness, wish.job), wish.value, `job ${wish.job.id} has its value`)
        await reported(worker, harness, wish)
      }
    },
  },
  {
    id: 'W-OVERRIDE-1/c',
    title: 'another Worker object reports the overrides that a job was started with',
    needs: (supports) =>
      lacksOverrides(supports) ??
      (supports.durable ? undefined : 'jobs are not shared between Worker objects'),
    async run(harness) {
      const [worker, other] = [await harness.open(), await harness.open()]
      const wish = { job: jobOf('a'), value: SMALL }
      await sendWith(worker, harness, wish)
      await reported(other, harness, wish)
      await sendWith(other, harness, { ...wish, value: LARGE })
      await reported(other, harness, wish)
    },
  },
]

/** A job, and the value that it is sent with, if any. */
interface Wish {
  readonly job: JobRef
  readonly value?: string
}

function lacksOverrides({ overrides }: WorkerSupports): string | undefined {
  return overrides === true ? undefined : 'this worker starts no jobs with overrides'
}

function nameIn({ overrideName = 'memory' }: WorkerHarness): string {
  return overrideName
}

function specWith(worker: Worker, harness: WorkerHarness, { job, value }: Wish) {
  return {
    ...specOf(worker, job),
    ...(value === undefined ? {} : { overrides: { [nameIn(harness)]: value } }),
  }
}

async function sendWith(worker: Worker, harness: WorkerHarness, wish: Wish): Promise<void> {
  await worker.sendJob(wish.job.id, harness.body(), specWith(worker, harness, wish))
}

async function startedWith(harness: WorkerHarness, job: JobRef): Promise<string | undefined> {
  check(harness.startedWith !== undefined, 'supports.overrides is true, so the harness must have startedWith')
  return harness.startedWith?.(job)
}

/** Throws unless a poll and a look-up give the value. */
async function reported(worker: Worker, harness: WorkerHarness, { job, value }: Wish): Promise<void> {
  const name = nameIn(harness)
  const wanted: JobOverrides = value === undefined ? {} : { [name]: value }
  const saysSo = (report: JobReport | undefined, where: string): void =>
    same(
      JSON.stringify(report?.overrides ?? {}),
      JSON.stringify(wanted),
      `${where} of job ${job.id} has its overrides`,
    )
  saysSo((await worker.pollAllStatus()).get(job.id), 'the poll')
  if (worker.lookupJob !== undefined) saysSo(await worker.lookupJob(job), 'the look-up')
}
