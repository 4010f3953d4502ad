import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Sandbox, logged } from '../fixtures/sandbox.js'

let box: Sandbox
beforeEach(async () => {
  box = await Sandbox.open()
})
afterEach(() => box.close())

const SQLITE = 'queue: { package: sql, name: tiles, url: sqlite:queue.db }\n'
const WORKER = `worker:
  package: argo
  baseUrl: http://127.0.0.1:9
  namespace: argo
  template: { env: TILE_TEMPLATE }
  token: { env: ARGO_TOKEN }
`
const BOTH =
  /worker\.template: .*TILE_TEMPLATE is not set \(sluice\.config\.yaml:\d+\)[\s\S]*worker\.token: .*ARGO_TOKEN is not set/u

async function configure(text: string): Promise<void> {
  await writeFile(join(box.dir, 'sluice.config.yaml'), text)
}

describe('an unset variable that only the worker refers to', () => {
  test.each<readonly string[]>([
    ['put', 'b', '{"item": 1}'],
    ['load', 'list.txt'],
    ['status'],
    ['report'],
    ['report', '--summary'],
    ['queues'],
    ['ls'],
    ['show', 'a'],
    ['pause', '--reason', 'x'],
    ['limit', '3'],
    ['sweep'],
    ['rm', 'a', '--yes'],
    ['drop', '--name', 'tiles'],
  ])('does not affect sluice %s', async (...args) => {
    await configure(`${SQLITE}${WORKER}`)
    await writeFile(join(box.dir, 'list.txt'), 'c\n')
    expect(await box.run(['put', 'a', '{}'])).toMatchObject({ code: 0 })
    expect(await box.run(args)).toMatchObject({ code: 0, err: expect.not.stringContaining('ARGO_TOKEN') })
  })

  test.each([['check'], ['run', '--until-empty']])('sluice %s names all of them at once', async (...args) => {
    await configure(`${SQLITE}${WORKER}`)
    const { code, err } = await box.run(args)
    expect(code).toBe(2)
    expect(err).toMatch(BOTH)
  })

  test('of the queue and the worker together', async () => {
    await configure(`queue: { package: sql, name: tiles, url: { env: DATABASE_URL } }\n${WORKER}`)
    const { err } = await box.run(['check'])
    expect(err).toMatch(BOTH)
    expect(err).toMatch(/queue\.url: the variable DATABASE_URL is not set/u)
    const put = await box.run(['put', 'a', '{}'])
    expect(put).toMatchObject({ code: 2, err: expect.stringMatching(/DATABASE_URL is not set/u) })
    expect(put.err).not.toMatch(/ARGO_TOKEN/u)
  })

  test('is reported in place of the job, and the rest is shown', async () => {
    const running = 'worker: { package: process, command: [sleep, "60"], env: { KEY: { env: JOB_KEY } } }\n'
    await configure(`${SQLITE}${running}`)
    await box.run(['put', 'a', '{}'])
    const env = { JOB_KEY: 'canary-of-a-job-key' }
    const service = box.start(['run', '--log-level', 'debug', '--log-format', 'json'], { env })
    try {
      await logged(service.stderr, 'job sent')
      const { code, out } = await box.run(['show', 'a'])
      expect(code).toBe(0)
      expect(out).toMatch(/job +unknown: worker\.env\.KEY: the variable JOB_KEY is not set/u)
    } finally {
      service.kill('SIGTERM')
      await service
      await box.run(['cancel', 'a'], { env })
    }
  })

  test('does not keep a load from checking the other options of the worker', async () => {
    await configure(
      `${SQLITE}worker: { package: process, command: [sh, "{bdy}"], env: { A: { env: JOB_A } }, cwd: { env: JOB_CWD }, dirr: x }\n`,
    )
    await writeFile(join(box.dir, 'list.txt'), 'c\n')
    const { code, err } = await box.run(['load', 'list.txt'])
    expect(code).toBe(2)
    expect(err).toMatch(/worker\.command\.1: has the unknown placeholder/u)
    expect(err).toMatch(/worker\.dirr: there is no such setting/u)
    expect(err).not.toMatch(/JOB_|worker\.cwd|worker\.env/u)
  })

  test('may be the worker’s package itself', async () => {
    await configure(`${SQLITE}worker: { package: { env: WORKER_PACKAGE } }\n`)
    expect(await box.run(['put', 'a', '{}'])).toMatchObject({ code: 0 })
    expect(await box.run(['status'])).toMatchObject({ code: 0 })
    const { code, err } = await box.run(['run'])
    expect(code).toBe(2)
    expect(err).toMatch(/worker\.package: the variable WORKER_PACKAGE is not set/u)
  })
})

test('an unset variable that every command needs is reported by every command', async () => {
  await configure('queue: { package: sql, name: { env: QUEUE_NAME }, url: sqlite:queue.db }\n')
  const { code, err } = await box.run(['status'])
  expect(code).toBe(2)
  expect(err).toMatch(/queue\.name: the variable QUEUE_NAME is not set/u)
  await configure(`${SQLITE}processing: { limit: { env: LIMIT } }\n`)
  expect((await box.run(['status'])).err).toMatch(/processing\.limit: the variable LIMIT is not set/u)
})
