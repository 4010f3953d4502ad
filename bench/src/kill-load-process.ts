// A process of the kill load: claims and settles items without end, and tells each claim, and each settled
// outcome, on its output before it does anything else. It is killed without a word; SIGTERM ends it after the
// batch under way.
import { writeSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { isSluiceError, type Queue, type Settlement } from '@sluice/core'
import type { Work } from './kill-crew.ts'

const work: Work = JSON.parse(process.argv[2] ?? '')
const loaded: { openQueue(options: object): Promise<Queue> } = await import(work.module)
const queue = await loaded.openQueue(work.options)
const stop = new AbortController()
process.on('SIGTERM', () => stop.abort())
say(['ready'])
for (let turn = 0; !stop.signal.aborted; turn++) {
  const items = await tried(() => queue.get(work.batch))
  say(items.map(({ id, uid, attempt }) => `claim ${id} ${uid} ${attempt}`))
  const outcomes = items.map(({ id, attempt }, index): Settlement => {
    return { id, attempt, stage: stageOf(turn + index) }
  })
  const report = await tried(() => queue.settle(outcomes))
  const refused = new Set(report.refused.map(({ id }) => id))
  const done = outcomes.filter(({ id }) => !refused.has(id))
  say(done.map(({ id, attempt, stage }) => `settled ${id} ${attempt} ${stage}`))
  if (items.length === 0) await pause(50)
}
await queue.close()

/** Of twenty items twelve succeed, one fails, and seven come back. */
function stageOf(number: number): Settlement['stage'] {
  const place = number % 20
  if (place < 12) return 'SUCCESS'
  return place === 12 ? 'FAIL' : 'WAITING'
}

function say(lines: readonly string[]): void {
  if (lines.length > 0) writeSync(1, lines.map((line) => `${line}\n`).join(''))
}

/** What an outage refuses is tried again; a settlement may have happened, and can be repeated. */
async function tried<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (!isSluiceError(error) || !error.retryable) throw error
      await pause(20)
    }
  }
}
