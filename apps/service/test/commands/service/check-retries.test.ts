import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Sandbox } from '../../fixtures/sandbox.js'

let box: Sandbox
beforeEach(async () => {
  box = await Sandbox.open()
})
afterEach(() => box.close())

const RULES = `queue: { package: sql, name: tiles, url: sqlite:queue.db }
worker: { package: process, command: ['true'] }
retry:
  rules:
    - { classes: [evicted], maxAttempts: 5 }
    - { classes: [failed], exitCodes: [75, '130-145'], maxAttempts: 3 }
    - { maxAttempts: 2 }
    - { exitCodes: [2], maxAttempts: 1 }
`
const FOUND = [
  'retry.rules.0: this worker never reports the class evicted (sluice.config.yaml:5)',
  'retry.rules.1: exit codes 130-145 never occur with the class failed: such a failure is of the class killed or timeout or oom (sluice.config.yaml:6)',
  'retry.rules.3: it has no effect: rule 2 matches all of its failures first (sluice.config.yaml:8)',
]

test('check warns of each rule that can never match, and passes', async () => {
  await writeFile(join(box.dir, 'sluice.config.yaml'), RULES)
  await box.run(['put', 'a', '{}'])
  const { code, err } = await box.run(['check'])
  expect(code).toBe(0)
  expect(err.split('\n').filter((line) => line.includes('retry'))).toEqual(
    FOUND.map((text) => `warning: ${text}`),
  )
})

test('run warns of them in one line, and starts', async () => {
  await writeFile(join(box.dir, 'sluice.config.yaml'), RULES)
  await box.run(['put', 'a', '{}'])
  const { code, err } = await box.spawn(['run', '--until-empty', '--log-format', 'json'])
  expect(code).toBe(0)
  const lines = err.split('\n').filter((line) => line.includes('retr'))
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({ msg: `retries: ${FOUND.join('; ')}` }),
  ])
})

test('reports nothing if all is well', async () => {
  const good = RULES.replaceAll(/^ {4}- .*\n/gmu, '').concat('    - { classes: [failed], maxAttempts: 2 }\n')
  await writeFile(join(box.dir, 'sluice.config.yaml'), good)
  await box.run(['put', 'a', '{}'])
  expect((await box.run(['check'])).err).toBe('')
})

test('check warns of the short form that has no effect', async () => {
  const short = RULES.replace(/^retry:[^]*/mu, 'retry: { on: [timeout] }\n')
  await writeFile(join(box.dir, 'sluice.config.yaml'), short)
  await box.run(['put', 'a', '{}'])
  expect((await box.run(['check'])).err).toContain('retry.on: has no effect because retry.maxAttempts is 1')
})
