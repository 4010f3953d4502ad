import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const folder = new URL('..', import.meta.url)

test('the program in the README runs, and brings every item to an end', async () => {
  const readme = await readFile(new URL('README.md', folder), 'utf8')
  const program = /```ts\n(.*?)```/su.exec(readme)?.[1] ?? ''
  expect(program.trimEnd().split('\n').length).toBeLessThanOrEqual(15)
  const args = ['--input-type=module', '--eval', program]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder, timeout: 20_000 })
  expect(stdout).toMatch(/WAITING: 0, PROCESSING: 0, SUCCESS: \d+, FAIL: \d/u)
}, 30_000)
