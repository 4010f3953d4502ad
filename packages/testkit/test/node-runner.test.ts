import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { workerContract } from '../src/index.js'

const PROGRAM = `
  import { testWorker } from './dist/node.js'
  testWorker('no worker at all', async () => ({
    open: async () => ({ supports: { durable: false } }),
    body: () => null,
    finish: async () => undefined,
    starts: async () => 0,
    close: async () => undefined,
  }))
`

test('under node:test each case is a test, skips carry their reason, failures say what is broken', async () => {
  const args = ['--test-reporter=tap', '--input-type=module', '--eval', PROGRAM]
  const end = await promisify(execFile)(process.execPath, args, {
    cwd: new URL('..', import.meta.url),
  }).catch((error: { stdout: string; code: number }) => error)
  const { stdout } = end
  expect(stdout).toContain('# Subtest: the worker contract: no worker at all')
  expect(stdout).toContain(`# tests ${workerContract.length}`)
  expect(stdout).toMatch(/ok \d+ - W-SEND-1\/b .* # SKIP jobs are not shared between Worker objects/)
  expect(stdout).toMatch(/not ok \d+ - W-SEND-1 sent twice/)
  expect(stdout).toContain('promise:  ')
})
