// A process that hosts a worker, to be killed: HOST_OPTIONS are the worker's options, HOST_JOBS the jobs to
// send, HOST_CALLS the calls to make afterwards. It prints `done` and stays.
import { openWorker } from '../src/index.ts'

const worker = await openWorker(JSON.parse(process.env.HOST_OPTIONS))
globalThis.countOperations = true
for (const { id, body, ...job } of JSON.parse(process.env.HOST_JOBS)) {
  await worker.sendJob(id, body, job).catch((error) => {
    // Its supervisor is killed by the test.
    if (process.env.SUPERVISOR_CRASH_AT === '-1') throw error
  })
}
for (const [method, ...args] of JSON.parse(process.env.HOST_CALLS ?? '[]')) await worker[method](...args)
globalThis.countOperations = false
console.log('done')
setInterval(() => {}, 60_000)
