import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openQueue } from '@sluice/queue-sql'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ArgoBench, eventually } from './argo-bench.js'
import { attemptsIn, workflowsPerJob } from './service-bench.js'

const KILLS = 20
const ITEMS = 1_000
const CAP = 50

let bench: ArgoBench
let folder: string
const hosts: ChildProcess[] = []
beforeEach(async () => {
  bench = await ArgoBench.start({ controller: { reconcileDelayMs: 5 } })
  folder = await mkdtemp(join(tmpdir(), 'sluice-argo-'))
})
afterEach(async () => {
  for (const host of hosts.splice(0)) host.kill('SIGKILL')
  await bench.close()
  await rm(folder, { recursive: true })
})

function startHost(): ChildProcess {
  const host = spawn(process.execPath, [join(import.meta.dirname, 'host.mjs')], {
    env: {
      ...process.env,
      HOST_FILE: join(folder, 'queue.db'),
      HOST_CAP: String(CAP),
      HOST_WORKER: JSON.stringify(bench.options()),
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  hosts.push(host)
  return host
}

test(
  'the service is killed twenty times, at whatever it does: every item one workflow, one attempt, one outcome',
  { timeout: 120_000 },
  async () => {
    const { server } = bench
    const queue = await openQueue({ name: 'tiles', url: `sqlite:${join(folder, 'queue.db')}` })
    await queue.putMany(
      Array.from({ length: ITEMS }, (_, index) => ({
        id: `i${index}`,
        body: { item: `i${index}`, seconds: '0.02' },
      })),
    )
    // It dies within a request to Argo, now before it takes effect and now after.
    for (let kill = 0; kill < KILLS; kill++) {
      const die = Promise.withResolvers<void>()
      const dieAt = 8 + ((kill * 7) % 23)
      let requests = 0
      server.main.onRequest = () => {
        if (++requests < dieAt) return undefined
        die.resolve()
        return kill % 2 === 0 ? { do: 'drop-reply' } : { do: 'drop-request' }
      }
      const host = startHost()
      await die.promise
      host.kill('SIGKILL')
      await once(host, 'exit')
      await server.settled()
    }
    server.main.onRequest = undefined
    startHost()
    await eventually('all items are at an end', async () => {
      const { WAITING, PROCESSING } = await queue.sizes()
      return WAITING + PROCESSING === 0
    })
    expect(await queue.sizes()).toMatchObject({ SUCCESS: ITEMS, FAIL: 0 })
    expect(await attemptsIn(queue, 'SUCCESS')).toEqual(Array.from({ length: ITEMS }, () => 1))
    expect(workflowsPerJob(bench)).toEqual(Array.from({ length: ITEMS }, () => 1))
    expect(server.workflows.maxUnfinished).toBeLessThanOrEqual(CAP)
    await queue.close()
  },
)
