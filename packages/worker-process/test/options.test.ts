import { checkOptions } from '@sluice/core/backend'
import { expect, expectTypeOf, test } from 'vitest'
import type { z } from 'zod'
import { openWorker, type ProcessWorker, type ProcessWorkerOptions } from '../src/index.js'
import { optionsSchema } from '../src/options.js'

const good = { name: 'tiles', command: ['convert', '{id}', '{body.url}'], dir: '/tmp/jobs' }
const check = (options: unknown) => checkOptions(optionsSchema, options, '@sluice/worker-process')

test('defaults are filled in', async () => {
  expect(await check(good)).toEqual({
    ...good,
    killAfterMs: 10_000,
    stdin: 'json',
    result: 'json-last-line',
    maxResultBytes: 65_536,
    stderrTailBytes: 1_500,
    keepOutputs: 'all',
    fsync: true,
  })
})

test.each([
  ['nothing', undefined, /options:/u],
  ['no command', { ...good, command: [] }, /command: must name a program/u],
  ['an empty program', { ...good, command: [''] }, /command\.0: must name a program/u],
  [
    'a placeholder as the program',
    { ...good, command: ['{body.tool}'] },
    /command\.0: .*without a placeholder/u,
  ],
  [
    'an unknown placeholder',
    { ...good, command: ['a', 'b', '{item}'] },
    /command\.2: .*\{item\}.*\{body\.field\}/u,
  ],
  ['an open brace', { ...good, command: ['a', '{"x": 1'] }, /command\.1: .*\{\{/u],
  ['a command that is one string', { ...good, command: 'convert a' }, /command:/u],
  ['an unknown option', { ...good, shell: true }, /shell/u],
  ['an empty name', { ...good, name: '' }, /name:/u],
  ['too long a name', { ...good, name: 'ü'.repeat(600) }, /name: .*1024 bytes/u],
  ['a NUL', { ...good, dir: '/tmp/\0' }, /dir: .*NUL/u],
  ['a timeout of 0', { ...good, timeoutMs: 0 }, /timeoutMs/u],
  ['a fractional timeout', { ...good, timeoutMs: 1.5 }, /timeoutMs/u],
  ['too long a timeout', { ...good, timeoutMs: 2 ** 40 }, /timeoutMs/u],
  ['a variable that isn’t text', { ...good, env: { A: 1 } }, /env\.A/u],
  ['a variable’s name with =', { ...good, env: { 'A=B': 'x' } }, /env/u],
])('%s is refused', async (_, options, message) => {
  const error = await check(options).catch((error: unknown) => error)
  expect(error).toMatchObject({ code: 'SLUICE_CONFIG_INVALID' })
  expect(String(error)).toMatch(message)
})

test('their interface has the keys of the schema, and the type of the bodies follows from the type argument', () => {
  expectTypeOf<keyof ProcessWorkerOptions>().toEqualTypeOf<keyof z.input<typeof optionsSchema>>()
  interface Tile {
    readonly path: string
  }
  expectTypeOf(openWorker<Tile>).returns.resolves.toEqualTypeOf<ProcessWorker<Tile>>()
  // @ts-expect-error -- a Date is no JSON
  expectTypeOf(openWorker<{ at: Date }>).toBeFunction()
})
