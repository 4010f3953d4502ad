import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Sandbox } from '../../fixtures/sandbox.js'

let box: Sandbox
beforeEach(async () => {
  box = await Sandbox.open()
})
afterEach(() => box.close())

async function checked(command: readonly string[]) {
  const interpreter = join(box.dir, command[0] ?? '')
  await writeFile(interpreter, '#!/bin/sh\n')
  await chmod(interpreter, 0o755)
  const config = {
    queue: { package: 'sql', name: 'tiles', url: 'sqlite:queue.db' },
    worker: { package: 'process', command: [interpreter, ...command.slice(1)], dir: 'jobs' },
  }
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify(config))
  return box.run(['check'])
}

test('a missing script fails the check; with the script it is ready', async () => {
  const missing = await checked(['python3', 'job.py'])
  expect(missing.code).toBe(2)
  expect(missing.out).toMatch(/worker +process +not usable$/mu)
  expect(missing.err).toContain('the command runs the script "job.py" by ')
  await writeFile(join(box.dir, 'job.py'), '')
  const there = await checked(['python3', 'job.py'])
  expect(there.code).toBe(0)
  expect(there.out).toMatch(/worker +process +ready;/mu)
})

test('a script that the interpreter may find elsewhere is a warning, and the last line counts it', async () => {
  const { code, out, err } = await checked(['node', 'job'])
  expect(code).toBe(0)
  expect(out.trimEnd().split('\n').at(-1)).toMatch(/^worker +process +ready with 1 warning;/u)
  expect(err).toMatch(/^warning: worker: the command runs the script "job" by /mu)
})

test('the advice for a waiting item is --update-waiting, not a requeue', async () => {
  await checked(['sh', '-c', 'true', '{body.path}'])
  await box.run(['put', 'a', '{}'])
  const { code, err } = await checked(['sh', '-c', 'true', '{body.path}'])
  expect(code).toBe(2)
  expect(err).toContain('--update-waiting')
  expect(err).not.toMatch(/requeue/iu)
})
