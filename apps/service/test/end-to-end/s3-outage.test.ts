import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openQueue } from '@sluice/queue-s3'
import { answerWith, startS3Server, type S3Server } from '@sluice/fake-s3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Sandbox, logged } from '../fixtures/sandbox.js'

let box: Sandbox
let server: S3Server

beforeEach(async () => {
  box = await Sandbox.open()
  server = await startS3Server()
})

afterEach(async () => {
  await server.close()
  await box.close()
})

function queueOptions() {
  const { endpoint, region, credentials } = server.clientOptions()
  return { name: 'tiles', bucket: server.bucket, prefix: 'queues', endpoint, region, credentials }
}

interface Line {
  readonly msg: string
  readonly code?: string
  readonly kind?: string
  readonly err?: { readonly message: string }
}

function linesOf(log: string): Line[] {
  return log.split('\n').flatMap((line): Line[] => (line.startsWith('{') ? [JSON.parse(line)] : []))
}

test('while the store takes no writes the service logs what it waits for, then an outage of the queue, and continues afterwards', async () => {
  const config = {
    queue: { package: 's3', probe: 'off', timeoutMs: 4_000, ...queueOptions() },
    worker: { package: 'process', command: ['true'], dir: join(box.dir, 'jobs') },
    service: { intervalMs: 50, leaseTtlMs: 6_000 },
  }
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify(config))
  const service = box.start(['run', '--log-format', 'json'])
  const says = (msg: string) => logged(service.stderr, msg)
  const [waits, out, back] = [
    says('the store does not answer such requests: they are repeated'),
    says("the queue can't be used now: no item fails, and it is tried again"),
    says('the queue can be used again'),
  ]
  await says('this service dispatches')
  server.main.onRequest = ({ operation }) =>
    operation === 'PutObject' ? answerWith('InternalError') : undefined
  await waits
  await out
  server.main.onRequest = undefined
  await back
  const queue = await openQueue({ probe: 'off', ...queueOptions() })
  await queue.put('a', 1)
  while ((await queue.lookupStatus('a')) !== 'SUCCESS')
    await new Promise((resolve) => setTimeout(resolve, 50))
  await queue.close()
  service.kill('SIGTERM')
  const { exitCode, stderr } = await service
  expect(exitCode).toBe(0)
  const lines = linesOf(stderr)
  const waiting = lines.find(({ kind }) => kind === 'write')
  expect(waiting?.err?.message).toMatch(/Cannot write "(LEASES|DOCUMENTS)\/.*500 InternalError/)
  const outage = lines.find(({ code }) => code === 'SLUICE_QUEUE_UNAVAILABLE')
  expect(outage?.err?.message).toMatch(/Cannot write "(LEASES|DOCUMENTS)\/.*500 InternalError/)
}, 300_000)
