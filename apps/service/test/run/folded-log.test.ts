import type { Logger } from '@sluice/core'
import { ManualRuntime } from '@sluice/testkit'
import { beforeEach, expect, test } from 'vitest'
import { FoldedLog } from '../../src/run/folded-log.js'

let lines: string[]
let log: FoldedLog
let runtime: ManualRuntime

beforeEach(() => {
  runtime = new ManualRuntime()
  lines = []
  const note =
    (level: string) =>
    (fields: object, message: string): void =>
      void lines.push(`${level} ${message} ${JSON.stringify(fields)}`)
  const logger: Logger = {
    debug: () => undefined,
    info: note('info'),
    warn: note('warn'),
    error: note('error'),
  }
  log = new FoldedLog(logger, runtime)
})

function failItems(count: number): void {
  for (let n = 1; n <= count; n++) log.warn({ id: `i${n}` }, 'item failed')
}

test('logs the first five messages of items in a minute, then the number of the others', async () => {
  failItems(1_205)
  log.info({ id: 'x' }, 'item released to WAITING')
  expect(lines.map((line) => line.split(' {')[0])).toEqual([
    ...Array<string>(5).fill('warn item failed'),
    'info item released to WAITING',
  ])
  await runtime.advance(60_000)
  expect(lines.slice(6)).toEqual(['warn item failed: and 1,200 more {"more":1200}'])
  failItems(2)
  expect(lines.slice(7)).toEqual(['warn item failed {"id":"i1"}', 'warn item failed {"id":"i2"}'])
})

test('logs the number of folded messages before the end, once', async () => {
  failItems(6)
  log.flush()
  log.flush()
  await runtime.advance(120_000)
  expect(lines.slice(5)).toEqual(['warn item failed: and 1 more {"more":1}'])
})

test('logs all messages that are not about items', () => {
  for (let n = 0; n < 9; n++) log.error({ code: 'SLUICE_QUEUE_UNAVAILABLE' }, 'an outage')
  expect(lines).toHaveLength(9)
})
