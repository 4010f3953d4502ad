import { parseArgs } from 'node:util'
import { systemRuntime } from '@sluice/core/backend'
import { play } from './play.js'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    max: { type: 'string', default: '10' },
  },
})
const from = Number(values.from)
const seeds = Number(values.seeds)
if (!Number.isInteger(from) || !Number.isInteger(seeds) || seeds < 1) {
  console.error('usage: node dist/cli.js [--seeds N] [--from SEED] [--trace] [--max VIOLATIONS]')
  process.exit(2)
}
const beganAtMonotonic = systemRuntime.monotonicMs()
let broken = 0
let [items, jobs] = [0, 0]
for (let seed = from; seed < from + seeds; seed++) {
  const result = await play(seed)
  items += result.items
  jobs += result.jobs
  if (values.trace) for (const line of result.trace) console.log(line)
  if (result.violations.length === 0) continue
  broken += 1
  if (broken <= Number(values.max))
    for (const { promise, what } of result.violations.slice(0, 3))
      console.log(`seed ${seed}: ${promise}: ${what}`)
}
const seconds = ((systemRuntime.monotonicMs() - beganAtMonotonic) / 1_000).toFixed(1)
console.log(
  `${seeds} plays, ${items} items, ${jobs} jobs ended in them, ${seconds} s: ${broken} plays broke a promise`,
)
process.exitCode = broken === 0 ? 0 : 1
