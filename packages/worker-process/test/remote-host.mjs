// A process that hosts a worker and does as it is told: each line of its stdin is [method, ...arguments],
// each line of its stdout the answer.
import { createInterface } from 'node:readline'
import { openWorker } from '../src/index.ts'

const worker = await openWorker(JSON.parse(process.env.HOST_OPTIONS))
console.log('"ready"')
for await (const line of createInterface({ input: process.stdin })) {
  const [method, ...args] = JSON.parse(line)
  const answer = await worker[method](...args).then(
    (value) => ({ value: value instanceof Map ? Object.fromEntries(value) : value }),
    ({ code, concerns, message }) => ({ code, concerns, message }),
  )
  console.log(JSON.stringify(answer))
}
