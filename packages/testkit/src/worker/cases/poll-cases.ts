import type { JobRef } from '@sluice/core'
import { rejects, resolves, same, sameMembers } from '../../check.js'
import type { WorkerCase } from '../worker-harness.js'
import { checkOffered, inStage, jobOf, polled, seen, send } from './worker-walk.js'

/** W-POLL-1 to W-POLL-3. */
export const pollCases: readonly WorkerCase[] = [
  {
    id: 'W-POLL-1',
    title: 'a poll reports every running job and every finished one, each at its attempt and uid',
    async run(harness) {
      const worker = await harness.open()
      const jobs = ['runs', 'good', 'bad'].map((id, index) => jobOf(id, index + 1))
      for (const job of jobs) await send(worker, harness, job)
      const [runs, good, bad] = [jobOf('runs', 1), jobOf('good', 2), jobOf('bad', 3)]
      for (const job of jobs) same(await polled(worker, job.id), inStage('PROCESSING', job), `${job.id} runs`)
      await harness.finish(good, 'SUCCESS')
      await harness.finish(bad, 'FAIL')
      const reports = await worker.pollAllStatus()
      same(seen(reports.get('runs')), inStage('PROCESSING', runs), 'the running job is reported so')
      same(seen(reports.get('good')), inStage('SUCCESS', good), 'the one that succeeded too')
      same(seen(reports.get('bad')), inStage('FAIL', bad), 'and the one that failed')
      sameMembers([...reports.keys()], ['runs', 'good', 'bad'], 'and nothing else is')
    },
  },
  {
    id: 'W-POLL-1/a',
    title: 'a finished job is reported poll after poll until it is acknowledged, and not afterwards',
    async run(harness) {
      const worker = await harness.open()
      const [done, runs] = [jobOf('done'), jobOf('runs')]
      await send(worker, harness, done)
      await send(worker, harness, runs)
      await harness.finish(done, 'SUCCESS')
      for (let poll = 0; poll < 3; poll++) {
        same(
          await polled(worker, 'done'),
          inStage('SUCCESS', done),
          'an outcome that is not acknowledged stays',
        )
      }
      if (worker.acknowledgeJobs === undefined) return
      await worker.acknowledgeJobs([done])
      same(await polled(worker, 'done'), 'absent', 'once acknowledged it is no longer reported')
      same(await polled(worker, 'runs'), inStage('PROCESSING', runs), 'the other job is untouched')
      const again = 'acknowledging is a hint: it may be repeated, and may name jobs that are unknown'
      await resolves(worker.acknowledgeJobs([done, jobOf('never')]), again)
      await resolves(worker.acknowledgeJobs([]), again)
    },
  },
  {
    id: 'W-POLL-1/b',
    title: 'of two attempts of one item the later is reported',
    async run(harness) {
      const worker = await harness.open()
      const [first, second] = [jobOf('a', 1), jobOf('a', 2)]
      await send(worker, harness, first)
      await harness.finish(first, 'FAIL')
      await send(worker, harness, second)
      same(
        await polled(worker, 'a'),
        inStage('PROCESSING', second),
        'attempt 2 runs, and that is what is reported',
      )
      await harness.finish(second, 'SUCCESS')
      same(await polled(worker, 'a'), inStage('SUCCESS', second), 'attempt 2 has ended, and that is reported')
    },
  },
  {
    id: 'W-POLL-1/c',
    title: 'acknowledging names one job: a later attempt of the same item is not acknowledged with it',
    async run(harness) {
      const worker = await harness.open()
      const [first, second] = [jobOf('a', 1), jobOf('a', 2)]
      await send(worker, harness, first)
      await harness.finish(first, 'FAIL')
      await send(worker, harness, second)
      await worker.acknowledgeJobs?.([first])
      same(await polled(worker, 'a'), inStage('PROCESSING', second), 'attempt 2 is reported still')
      await harness.finish(second, 'SUCCESS')
      await worker.acknowledgeJobs?.([first])
      same(await polled(worker, 'a'), inStage('SUCCESS', second), 'its outcome too')
    },
  },
  {
    id: 'W-POLL-1/d',
    title: 'twenty jobs sent at once are all reported',
    async run(harness) {
      const worker = await harness.open()
      const jobs = Array.from({ length: 20 }, (_, index) => jobOf(`i${index}`))
      await Promise.all(jobs.map((job) => send(worker, harness, job)))
      const reports = await worker.pollAllStatus()
      sameMembers(
        [...reports.keys()],
        jobs.map((job) => job.id),
        'each is reported under its id',
      )
      for (const job of jobs) same(seen(reports.get(job.id)), inStage('PROCESSING', job), `${job.id} runs`)
    },
  },
  {
    id: 'W-POLL-1/e',
    title: 'jobs and outcomes outlive the Worker object, and the next one finds them',
    needs: ({ durable }) => (durable ? undefined : 'this worker’s jobs end with its process'),
    async run(harness) {
      const first = await harness.open()
      const [done, runs] = [jobOf('done'), jobOf('runs')]
      await send(first, harness, done)
      await send(first, harness, runs)
      await first.close()
      await harness.finish(done, 'FAIL')
      const second = await harness.open()
      same(await polled(second, 'done'), inStage('FAIL', done), 'what ended meanwhile is reported')
      same(await polled(second, 'runs'), inStage('PROCESSING', runs), 'what still runs too')
      await send(second, harness, runs)
      same(await harness.starts(runs), 1, 'sent again, it is known')
    },
  },
  {
    id: 'W-POLL-1/f',
    title:
      'given the awaited jobs, a poll reports what runs, and each awaited one is in it or found by lookupJob',
    needs: ({ durable }) => (durable ? undefined : 'this worker’s jobs end with its process'),
    async run(harness) {
      const first = await harness.open()
      const [done, runs, other] = [jobOf('done'), jobOf('runs'), jobOf('other')]
      for (const job of [done, runs, other]) await send(first, harness, job)
      await harness.finish(done, 'SUCCESS')
      for (const worker of [first, await harness.open()]) {
        const reports = await worker.pollAllStatus([done, runs])
        same(
          seen(reports.get('runs')),
          inStage('PROCESSING', runs),
          'one that is awaited and runs is reported',
        )
        same(seen(reports.get('other')), inStage('PROCESSING', other), 'one that runs is, awaited or not')
        const report = reports.get('done') ?? (await worker.lookupJob?.(done))
        same(seen(report), inStage('SUCCESS', done), 'one that has ended is reported, or found')
      }
    },
  },
  {
    id: 'W-POLL-2',
    title: 'of a job that was never sent a poll says nothing: neither FAIL nor anything else',
    async run(harness) {
      const worker = await harness.open()
      same((await worker.pollAllStatus()).size, 0, 'with no job sent a poll is an empty map')
      await send(worker, harness, jobOf('a'))
      same(await polled(worker, 'b'), 'absent', 'an unknown id is absent')
      same(await polled(worker, 'A'), 'absent', 'and so is one in another case')
      same(await polled(worker, '__proto__'), 'absent', 'and so is a name that objects have')
    },
  },
  {
    id: 'W-POLL-2/a',
    title:
      'with the other side out of reach a poll rejects SLUICE_WORKER_UNAVAILABLE; it is not an empty map',
    needs: (_, harness) =>
      harness.openUnreachable === undefined ? 'the harness can’t put the other side out of reach' : undefined,
    async run(harness) {
      const worker = await harness.openUnreachable?.()
      if (worker === undefined) return
      await rejects(
        worker.pollAllStatus(),
        'SLUICE_WORKER_UNAVAILABLE',
        'an outage must not look like absence',
      )
      if (worker.lookupJob) {
        await rejects(
          worker.lookupJob(jobOf('a')),
          'SLUICE_WORKER_UNAVAILABLE',
          'nor does lookupJob say “no such job”',
        )
      }
      await worker.close()
    },
  },
  {
    id: 'W-POLL-3',
    title: 'two workers of different names never see each other’s jobs, be the ids the same',
    async run(harness) {
      const [one, two] = [await harness.open('one'), await harness.open('two')]
      same([one.name, two.name], ['one', 'two'], 'a worker knows its name')
      const [ofOne, ofTwo] = [jobOf('a', 1, 'uid one'), jobOf('a', 1, 'uid two')]
      await send(one, harness, ofOne)
      same(await polled(two, 'a'), 'absent', 'the other’s job is not seen')
      await send(two, harness, ofTwo)
      same([await harness.starts(ofOne), await harness.starts(ofTwo)], [1, 1], 'both jobs run')
      await harness.finish(ofOne, 'FAIL')
      same(await polled(one, 'a'), inStage('FAIL', ofOne), 'each sees its own')
      same(await polled(two, 'a'), inStage('PROCESSING', ofTwo), 'and only that')
      await two.acknowledgeJobs?.([ofOne])
      same(await polled(one, 'a'), inStage('FAIL', ofOne), 'nor can it acknowledge the other’s')
    },
  },
  {
    id: 'W-POLL-3/a',
    title: 'names that look alike are different workers',
    async run(harness) {
      const names = ['tiles', 'tiles-1', 'tiles/1', 'tiles_1', "tile's"]
      const workers = await Promise.all(names.map((name) => harness.open(name)))
      for (const worker of workers) await send(worker, harness, jobOf('a', 1, `uid ${worker.name}`))
      for (const worker of workers) {
        same(
          await polled(worker, 'a'),
          inStage('PROCESSING', jobOf('a', 1, `uid ${worker.name}`)),
          `the worker ${JSON.stringify(worker.name)} reports its own job`,
        )
      }
    },
  },
  {
    id: 'W-LOOK-1',
    title: 'lookupJob reports exactly this job, and is sure of one that was never sent',
    needs: ({ lookupJob }) => (lookupJob ? undefined : 'this worker has no lookupJob'),
    async run(harness) {
      const worker = await harness.open()
      const [first, second] = [jobOf('a', 1), jobOf('a', 2)]
      checkOffered(worker, 'lookupJob')
      const lookedUp = async (job: JobRef) => seen(await worker.lookupJob?.(job))
      same(await lookedUp(first), 'absent', 'before it is sent there is no such job')
      await send(worker, harness, first)
      same(await lookedUp(first), inStage('PROCESSING', first), 'then it runs')
      same(await lookedUp(second), 'absent', 'another attempt is another job')
      same(await lookedUp(jobOf('a', 1, 'another uid')), 'absent', 'another uid too')
      await harness.finish(first, 'FAIL')
      await send(worker, harness, second)
      same(await lookedUp(first), inStage('FAIL', first), 'the earlier attempt is found beside the later one')
      same(await lookedUp(second), inStage('PROCESSING', second), 'and the later one')
    },
  },
]
