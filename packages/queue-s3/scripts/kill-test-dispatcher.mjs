// One process of the kill test: takes items, writes down what it was given before it does anything with it,
// and settles them. It is killed at any instruction. What it has written with writeSync stays.
import { openSync, writeSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { isSluiceError } from '@sluice/core'
import { openQueue } from '../dist/index.js'

const { options, logFile, releasedShare, failedShare } = JSON.parse(process.argv[2])
const log = openSync(logFile, 'a')
const note = (line) => writeSync(log, `${JSON.stringify(line)}\n`)
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())

const queue = await openQueue(options)
while (!stop.signal.aborted) {
  try {
    const items = await queue.get(1 + Math.floor(Math.random() * 20))
    for (const { id, uid, attempt } of items) note({ given: id, uid, attempt })
    if (items.length === 0) await pause(100)
    else await settle(items)
  } catch (error) {
    if (!isSluiceError(error) || !error.retryable) note({ wrong: String(error) })
  }
}
await queue.close()

async function settle(items) {
  const moves = items.map(({ id, uid, attempt }) => ({ id, uid, attempt, stage: stageByLot() }))
  const { refused } = await queue.settle(moves)
  const refusedIds = new Set(refused.map(({ id }) => id))
  for (const { id, uid, attempt, stage } of moves) {
    if (!refusedIds.has(id)) note({ settled: id, uid, attempt, stage })
  }
}

function stageByLot() {
  const lot = Math.random()
  if (lot < releasedShare) return 'WAITING'
  return lot < releasedShare + failedShare ? 'FAIL' : 'SUCCESS'
}
