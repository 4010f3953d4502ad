import { promises } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { startArgoServer, type ArgoServer } from '@sluice/fake-argo'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Sandbox } from '../../fixtures/sandbox.js'

let box: Sandbox
let server: ArgoServer

beforeEach(async () => {
  box = await Sandbox.open()
  server = await startArgoServer()
  const config = {
    queue: { package: 'sql', name: 'tiles', url: `sqlite:${join(box.dir, 'queue.db')}` },
    worker: {
      package: 'argo',
      baseUrl: server.url,
      namespace: 'argo',
      template: 'test-workflow-template',
      token: server.token,
    },
  }
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify(config))
})

afterEach(async () => {
  await server.close()
  await box.close()
})

test('a queue that does not exist yet, and one with items', async () => {
  expect((await box.run(['check'])).out.split('\n')).toEqual([
    expect.stringMatching(/^part +package +found$/),
    expect.stringMatching(/^queue .*no queue of this name yet$/),
    expect.stringMatching(/^worker .*ready; .*room for: \d{6}$/),
  ])
  await box.run(['put', 'a', '{"item": "a"}'])
  expect(await box.json(['check'])).toEqual([
    { part: 'queue', package: 'sql', ok: true, found: 'ready, 1 item' },
    { part: 'worker', package: 'argo', ok: true, found: expect.stringMatching(/^ready; .*room for: \d{6}$/) },
    { part: 'items', package: 'argo', ok: true, found: 'ready, the first item can become a job' },
  ])
  expect(server.workflows.size).toBe(0)
})

test('problems of the worker are reported as by `run`', async () => {
  server.access.denied.add('create workflows')
  const { code, out, err } = await box.run(['check'])
  expect([code, err]).toEqual([5, expect.stringMatching(/^error: .*create.*workflows/s)])
  expect(out).toMatch(/worker +argo +not usable/)
})

test('what works with a caveat is a warning', async () => {
  const { code, out, err } = await box.run(['check', '--set', 'worker.serviceAccount=runner'])
  expect(code).toBe(0)
  expect(out).toMatch(/worker +argo +ready/)
  expect(err).toMatch(/^warning: worker: .*WORKFLOW_USER_OVERRIDE_ALLOWLIST.*serviceAccount/s)
})

test('both invalid: both are reported', async () => {
  const { code, out, err } = await box.run([
    'check',
    '--set',
    'queue.url=postgres://unknown@127.0.0.1:9/none',
    '--set',
    'worker.template=gone',
  ])
  expect(code).toBe(4)
  expect(err).toMatch(/^warning: worker: .*gone.*\nerror: .*127\.0\.0\.1:9/s)
  expect(out).toMatch(/queue +sql +not usable\nworker +argo +not usable/)
  expect(err).not.toContain(server.token)
})

test('a SQLite that can lose commits is refused by its version, also before the file exists; the option allows it, with a warning', async () => {
  // oxlint-disable-next-line typescript/unbound-method -- it is called with the database below
  const prepare = DatabaseSync.prototype.prepare
  vi.spyOn(DatabaseSync.prototype, 'prepare').mockImplementation(function (this: DatabaseSync, text: string) {
    return prepare.call(this, text.replace('sqlite_version()', "'3.47.2'"))
  })
  try {
    const { code, out, err } = await box.run(['check'])
    expect([code, out]).toEqual([2, expect.stringMatching(/queue +sql +not usable/)])
    expect(err).toMatch(/SQLite 3\.47\.2.*can lose acknowledged commits.*Node\.js 22\.22\.3.*allowOldSqlite/s)
    const allowed = ['--set', 'queue.allowOldSqlite=true']
    for (const command of [
      ['check', ...allowed],
      ['put', 'a', '{"item": 1}', ...allowed],
      ['check', ...allowed],
    ]) {
      const ran = await box.run(command)
      expect([ran.code, ran.err]).toEqual([
        0,
        expect.stringMatching(/^warning: [^\n]*SQLite 3\.47\.2[^\n]*$/),
      ])
    }
    expect((await box.run(['put', 'b', '1'])).code).toBe(2)
  } finally {
    vi.restoreAllMocks()
  }
})

describe('a SQLite file on a network file system', () => {
  const { statfs } = promises
  afterEach(() => pretendFileSystem(statfs))

  test('is a warning once in `check` and once in `run`, also before the file exists, and not in short commands', async () => {
    pretendFileSystem(async () => ({ type: 0x6969 }))
    const warned =
      /^warning: The SQLite file [^\n]*queue\.db is on a network file system \(NFS\)[^\n]*PostgreSQL[^\n]*$/
    expect((await box.run(['check'])).err).toMatch(warned)
    expect((await box.run(['put', 'a', '{"item": 1}'])).err).toBe('')
    expect((await box.run(['check'])).err).toMatch(warned)
    expect((await box.run(['rm', 'a', '--yes'])).err).toBe('')
    const ran = await box.run(['run', '--until-empty'])
    expect(ran.code).toBe(0)
    expect(ran.err.match(/is on a network file system \(NFS\)/g)).toHaveLength(1)
  })

  test('is no warning on a local disk', async () => {
    pretendFileSystem(async () => ({ type: 0xef53 }))
    expect((await box.run(['check'])).err).toBe('')
  })
})

/** The queue's package is loaded as it was built, so that the module of Node is what can be replaced. */
function pretendFileSystem(asked: unknown): void {
  Object.assign(promises, { statfs: asked })
  syncBuiltinESMExports()
}
