import { SluiceError } from '@sluice/core'
import { ManualRuntime } from '@sluice/testkit'
import { expect, test } from 'vitest'
import { OutageLog } from '../../src/tick/outage-log.js'

const DOWN = new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'no answer')

test('an outage is reported when it begins, once a minute, and when it is over', async () => {
  const lines: string[] = []
  const note = (fields: object, message: string): void =>
    void lines.push('seconds' in fields ? `${message} (${String(fields.seconds)} s)` : message)
  const runtime = new ManualRuntime()
  const logger = { debug: note, info: note, warn: note, error: note }
  const log = new OutageLog({ logger, emit: () => undefined, runtime })
  for (let second = 0; second < 150; second++) {
    log.note(DOWN)
    await runtime.advance(1_000)
  }
  log.note(undefined)
  log.note(undefined)
  expect(lines).toEqual([
    expect.stringContaining("can't be used now"),
    "the worker still can't be used (60 s)",
    "the worker still can't be used (120 s)",
    'the worker can be used again',
  ])
})
