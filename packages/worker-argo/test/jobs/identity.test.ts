import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PackageContext } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import { answerWith } from '@sluice/fake-argo'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openWorker, type ArgoWorker, type ArgoWorkerOptions } from '../../src/index.js'
import { ArgoBench, jobOf, send } from '../argo-bench.js'

const TEMPLATE = ['WorkflowTemplate', 'test-workflow-template'] as const

let bench: ArgoBench

beforeEach(async () => {
  bench = await ArgoBench.start({ controller: { reconcileDelayMs: 1 } })
})

afterEach(() => bench.close())

function uid(): string {
  return bench.server.templates.get(...TEMPLATE, bench.server.namespace).uid
}

describe('the identity', () => {
  test.each(['check', 'poll', 'send'] as const)('is known from the first %s on', async (call) => {
    const worker = await bench.open()
    expect([worker.identity, worker.supports.identity]).toEqual([undefined, true])
    if (call === 'check') await worker.check()
    if (call === 'poll') await worker.pollAllStatus()
    if (call === 'send') await send(worker, jobOf('a'))
    expect(worker.identity).toBe(`argo:${bench.server.namespace}/${uid()}`)
  })

  test('is the namespace alone where the template may not be read, and no trouble', async () => {
    bench.server.access.denied.add('get workflowtemplates')
    const worker = await bench.open()
    await worker.pollAllStatus()
    expect(worker.identity).toBe(`argo:${bench.server.namespace}`)
  })

  test('is not known while the template can’t be read, and then is', async () => {
    const endpoint = await bench.addEndpoint({})
    endpoint.onRequest = ({ operation }) =>
      operation === 'GetWorkflowTemplate' ? answerWith('unavailable') : undefined
    const worker = await bench.open({ baseUrl: endpoint.url, runtime: jumpingClock() })
    expect((await worker.pollAllStatus()).complete).not.toBe(false)
    expect(worker.identity).toBeUndefined()
    endpoint.onRequest = undefined
    await worker.pollAllStatus()
    expect(worker.identity).toBe(`argo:${bench.server.namespace}/${uid()}`)
  })

  test('is another one of a template that was made again, whose workflows are still known', async () => {
    const first = await bench.open()
    const job = jobOf('a')
    await send(first, job, { mode: 'hang' })
    const template = bench.server.templates.find(...TEMPLATE)
    if (template === undefined) throw new Error('the server has the template')
    bench.server.templates.delete(...TEMPLATE)
    bench.server.templates.put(template)
    const second = await bench.open()
    await second.pollAllStatus()
    expect(second.identity).not.toBe(first.identity)
    expect(await second.lookupJob(job)).toMatchObject({ stage: 'PROCESSING', attempt: 1 })
  })
})

/** What was read a poll ago is long ago. */
function jumpingClock(): NonNullable<ArgoWorkerOptions['runtime']> {
  let nowMs = 0
  return { ...systemRuntime, monotonicMs: () => (nowMs += 100_000), sleep: async () => undefined }
}

describe('relative paths', () => {
  let folder: string
  const opened: ArgoWorker[] = []

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-argo-'))
  })

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((worker) => worker.close()))
    await rm(folder, { recursive: true, force: true })
  })

  async function open(more: Partial<ArgoWorkerOptions>, context: PackageContext): Promise<ArgoWorker> {
    const worker = await openWorker({ ...bench.options(), token: undefined, ...more }, context)
    opened.push(worker)
    return worker
  }

  test('a token file, and a program that prints a token, are those of the folder of the configuration', async () => {
    await writeFile(join(folder, 'token'), bench.server.token)
    await writeFile(join(folder, 'print.sh'), '#!/bin/sh\ncat token\n', { mode: 0o700 })
    for (const more of [{ tokenFile: 'token' }, { tokenCommand: ['./print.sh'] }]) {
      const [option = ''] = Object.keys(more)
      expect((await (await open(more, { baseDir: folder })).pollAllStatus()).size).toBe(0)
      const elsewhere = {
        baseDir: folder,
        baseDirOf: ([name]: readonly string[]) => (name === option ? tmpdir() : folder),
      }
      const worker = await open(more, elsewhere)
      await expect(worker.pollAllStatus()).rejects.toMatchObject({ code: 'SLUICE_WORKER_DENIED' })
    }
  })

  test('certificates are', async () => {
    await copyFile(join(import.meta.dirname, '..', 'certificate', 'ca.pem'), join(folder, 'ca.pem'))
    await open({ caFile: 'ca.pem', token: 'x' }, { baseDir: folder })
    await expect(open({ caFile: 'ca.pem', token: 'x' }, { baseDir: tmpdir() })).rejects.toMatchObject({
      code: 'SLUICE_CONFIG_INVALID',
    })
  })
})
