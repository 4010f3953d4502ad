import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const folder = new URL('../..', import.meta.url)
const text = await readFile(new URL('../../docs/flow-control.md', folder), 'utf8')

/** Each says at its end what it prints. */
const programs = [...text.matchAll(/<!-- runs -->\n\n```ts\n(.*?)```/gsu)].map(([, program = '']) => {
  const printed = /console\.log\(.*\)(?: |\n)\/\/ ([^:\n]*)/u.exec(program)?.[1] ?? ''
  return {
    name: /\b(rateLimit|timeWindow|machineLimit|DispatchPolicy)\b/u.exec(program)?.[1],
    printed,
    program,
  }
})

test('each policy has a program in the docs', () => {
  const used = programs.map(({ program }) => program).join('\n')
  for (const policy of [
    'processingLimit',
    'rateLimit',
    'timeWindow',
    'machineLimit',
    'all',
    'DispatchPolicy',
  ])
    expect(used).toContain(policy)
})

test.each(programs)(
  'the program about $name runs, and prints $printed',
  async ({ program, printed }) => {
    const args = ['--input-type=module', '--eval', stripTypeScriptTypes(program)]
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder, timeout: 20_000 })
    expect(stdout.trim()).toBe(printed)
  },
  30_000,
)
