// A process of its own on a queue: `node queue-process.mjs MODE URL PREFIX`. It prints each claim before it
// does anything else.
import { writeSync } from 'node:fs'
import { openQueue } from '@sluice/queue-sql'

const [mode, url, tablePrefix] = process.argv.slice(2)
const queue = await openQueue({ name: 'contract', url, tablePrefix, poolSize: 2, timeoutMs: 60_000 })
const say = (line) => writeSync(1, `${line}\n`)

async function claim(count) {
  const items = await queue.get(count)
  for (const { id, attempt } of items) say(`${id} ${attempt}`)
  return items
}

if (mode === 'open') say('open')

if (mode === 'drain') {
  for (let items = await claim(100); items.length > 0; items = await claim(100)) {
    const report = await queue.settle(items.map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' })))
    if (report.settled !== items.length) say(`refused ${JSON.stringify(report.refused)}`)
  }
}

if (mode === 'churn') {
  const stages = ['SUCCESS', 'FAIL', 'WAITING']
  for (let turn = 0; ; turn++) {
    const items = await claim(7)
    await queue.settle(
      items.map(({ id, attempt }, index) => ({ id, attempt, stage: stages[(turn + index) % 3] })),
    )
    const { items: failed } = await queue.listSummaries('FAIL', { limit: 5 })
    await queue.requeue(failed.map(({ id }) => id))
    if (items.length === 0) await queue.put(`more-${process.pid}-${turn}`, { turn })
  }
}

await queue.close()
