import { mkdir, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseEnding } from '../../src/jobs/ending.js'
import { FAILURES, reportEnded } from '../../src/jobs/job-report.js'
import { optionsSchema } from '../../src/options.js'
import { WorkerBench } from '../worker-bench.js'

let bench: WorkerBench
beforeEach(() => {
  bench = new WorkerBench()
})
afterEach(() => bench.close())

test('each exit code makes a failure of the kind that the worker names it for', async () => {
  const place = bench.layout().place({ uid: 'u', attempt: 1 })
  await mkdir(place.home, { recursive: true })
  for (const path of [place.stdout, place.stderr]) await writeFile(path, '')
  const settings = optionsSchema.parse(bench.options(['true']))
  const file = { id: 'a', uid: 'u', attempt: 1, queue: 'tiles', args: [], bootId: 'b', acceptedAt: 0 }
  const seen = new Map<string | undefined, number[]>()
  for (let code = 1; code <= 255; code++) {
    const ended = { place, file, claim: undefined, ending: parseEnding(String(code)), endedAt: 0 }
    const { failureClass } = await reportEnded({ ...ended, stop: undefined, oom: false }, settings)
    seen.set(failureClass, [...(seen.get(failureClass) ?? []), code])
  }
  const named = new Map(FAILURES.map((kind) => [kind.failureClass, kind.exitCodes]))
  expect(new Set(seen.keys())).toEqual(new Set(['error', 'failed', 'killed']))
  expect(named.get('failed')).toEqual(seen.get('failed'))
  expect(named.get('error')).toEqual([126, 127])
  expect(seen.get('killed')).toEqual(expect.arrayContaining([130, 137, 143]))
  // One that is told to end may exit as it likes.
  expect(named.get('killed')).toBeUndefined()
})
