import { appendFileSync, readFileSync, readdirSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { writeOnce } from '../../src/disk/record.js'
import { systemProcessTable } from '../../src/processes/process-table.js'
import { acceptJob } from '../../src/supervisor/job-acceptance.js'
import { Journal, settleJournals } from '../../src/supervisor/journal.js'
import type { AcceptedFile } from '../../src/supervisor/messages.js'
import { WorkerBench, newJob, send, type TestJob } from '../worker-bench.js'

let bench: WorkerBench

beforeEach(() => {
  bench = new WorkerBench()
})

afterEach(() => bench.close())

const table = systemProcessTable()

/** Of a supervisor that has ended. */
const OWNER = { pid: 4_000_000, start: '1' }

function fileOf({ id, uid, attempt, queue }: TestJob, bootId: string): AcceptedFile {
  return {
    id,
    uid,
    attempt,
    queue,
    args: ['-c', 'echo "$SLUICE_ITEM_ID 1" >> "$LOG"'],
    bootId,
    acceptedAt: 1,
  }
}

/** As a supervisor leaves it that was killed, in a boot of that id. */
async function journalOf(jobs: readonly TestJob[], bootId: string): Promise<void> {
  const layout = bench.layout()
  const journal = new Journal({ layout, bootId, owner: OWNER })
  await Promise.all(
    jobs.map((job) => {
      const place = layout.place(job)
      const file = fileOf(job, bootId)
      acceptJob(layout, place, { file, stdin: '{}' })
      return journal.add({ key: place.key, bootId, file })
    }),
  )
}

describe('the journal of a supervisor that has ended', () => {
  test.each(['are missing', 'are cut off', 'are there'])(
    'in an earlier boot, and files of its jobs %s: each is found to have been accepted, and none starts',
    async (files) => {
      const worker = await bench.open(bench.scriptOptions('exit 0'))
      await worker.close()
      const jobs = ['a', 'b', 'c'].map((id) => newJob(id))
      await journalOf(jobs, 'an earlier boot')
      for (const job of jobs) {
        const { home, jobFile } = bench.layout().place(job)
        if (files === 'are missing') rmSync(home, { recursive: true })
        if (files === 'are cut off') truncateSync(jobFile)
      }
      const next = await bench.open(bench.scriptOptions('exit 0'))
      for (const job of jobs) await send(next, job)
      const reports = await next.pollAllStatus()
      for (const { id } of jobs)
        expect(reports.get(id)).toMatchObject({ stage: 'FAIL', message: /machine restarted/u })
      expect(await bench.runs()).toBe(0)
      expect(readdirSync(bench.layout().journals)).toEqual([])
    },
  )

  test('brings back no job that was archived or withdrawn, nor a line that was cut off', async () => {
    await bench.open(bench.scriptOptions('exit 0'))
    const layout = bench.layout()
    const [archived, withdrawn, cutOff] = ['archived', 'withdrawn', 'cut off'].map((id) => newJob(id))
    await journalOf([archived!, withdrawn!], 'an earlier boot')
    for (const job of [archived!, withdrawn!]) rmSync(layout.place(job).home, { recursive: true })
    const [name = ''] = readdirSync(layout.journals)
    const path = join(layout.journals, name)
    appendFileSync(
      path,
      `\n${JSON.stringify({ key: layout.place(withdrawn!).key, bootId: 'an earlier boot' })}\n`,
    )
    const line = JSON.stringify({
      key: layout.place(cutOff!).key,
      bootId: 'an earlier boot',
      file: fileOf(cutOff!, 'an earlier boot'),
    })
    appendFileSync(path, line.slice(0, -5))
    const { gone } = layout.place(archived!)
    await import('node:fs/promises').then(({ mkdir }) => mkdir(join(gone, '..'), { recursive: true }))
    await writeOnce(gone, 'SUCCESS')
    await settleJournals(layout, { bootId: 'this boot', table })
    expect(readdirSync(layout.active)).toEqual([])
    expect(readdirSync(layout.journals)).toEqual([])
  })

  test('stays while its supervisor lives, and one of this boot makes no job again', async () => {
    await bench.open(bench.scriptOptions('exit 0'))
    const layout = bench.layout()
    const bootId = await table.bootId()
    const start = (await table.starts([process.pid])).get(process.pid) ?? ''
    const job = newJob('a')
    const { key, home } = layout.place(job)
    const journal = new Journal({ layout, bootId, owner: { pid: process.pid, start } })
    await journal.add({ key, bootId, file: fileOf(job, bootId) })
    await settleJournals(layout, { bootId, table })
    const [name = ''] = readdirSync(layout.journals)
    expect(readFileSync(join(layout.journals, name), 'utf8')).toContain(key)
    await journal.close()
    expect(readdirSync(layout.journals)).toEqual([])
    expect(readdirSync(join(home, '../../..'))).not.toContain('jobs')
  })
})
