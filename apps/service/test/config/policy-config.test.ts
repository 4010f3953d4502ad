import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Sandbox } from '../fixtures/sandbox.js'

let box: Sandbox

beforeEach(async () => {
  box = await Sandbox.open()
})

afterEach(() => box.close())

const QUEUE = `queue:
  package: sql
  name: tiles
  url: sqlite:q.db
worker:
  package: dummy
processing:
  limit: 7
`

const WHOLE = {
  limit: 7,
  rate: { count: 100, perMs: 60_000 },
  windows: ['Mon-Fri 20:00-06:00 Europe/Berlin', '00:00-24:00 UTC'],
  outsideLimit: 2,
  machine: { freeMemory: '1Mi' },
}

const SETTINGS = {
  policy: 'all',
  of: [
    {
      policy: 'timeWindow',
      windows: ['Mon-Fri 20:00-06:00 Europe/Berlin', '00:00-24:00 UTC'],
      inside: { policy: 'processingLimit', maxProcessing: 7 },
      outside: { policy: 'processingLimit', maxProcessing: 2 },
    },
    { policy: 'rateLimit', count: 100, perMs: 60_000 },
    { policy: 'machineLimit', freeMemory: '1Mi' },
  ],
}

async function shown(): Promise<unknown> {
  const { code, out, err } = await box.run(['policy', 'show', '--json'])
  expect([code, err]).toEqual([0, ''])
  return JSON.parse(out)
}

describe('a dispatch policy', () => {
  test.each([
    [
      'sluice.config.yaml',
      `${QUEUE}  ${JSON.stringify(WHOLE)
        .slice(1, -1)
        .replace('"limit":7,', '')
        .replaceAll(/,"(outsideLimit|windows|machine)"/gu, '\n  "$1"')
        .replaceAll(/":/gu, '": ')}\n`,
    ],
    [
      'sluice.config.json',
      JSON.stringify({
        queue: { package: 'sql', name: 'tiles', url: 'sqlite:q.db' },
        worker: { package: 'dummy' },
        processing: WHOLE,
      }),
    ],
    [
      'sluice.config.mjs',
      `export default { queue: { package: 'sql', name: 'tiles', url: 'sqlite:q.db' }, worker: { package: 'dummy' }, processing: ${JSON.stringify(WHOLE)} }`,
    ],
  ])('of %s is the same', async (name, text) => {
    await writeFile(join(box.dir, name), text)
    await box.run(['put', 'a', '{}'])
    expect(await shown()).toMatchObject({ configured: SETTINGS, live: {}, isDifferent: false })
  })

  test('of variables too; with a limit alone it is that limit', async () => {
    await writeFile(join(box.dir, 'sluice.config.yaml'), QUEUE)
    await box.run(['put', 'a', '{}'])
    expect(await shown()).toMatchObject({ configured: { policy: 'processingLimit', maxProcessing: 7 } })
    const env = {
      SLUICE_PROCESSING_RATE_COUNT: '5',
      SLUICE_PROCESSING_RATE_PER_MS: '1000',
      SLUICE_PROCESSING_WINDOWS: '["20:00-06:00 UTC"]',
      SLUICE_PROCESSING_MACHINE_FREE_MEMORY: '2Gi',
    }
    const { out } = await box.run(['policy', 'show'], { env })
    expect(out.split('\n').map((line) => line.trim().replaceAll(/\s{2,}/gu, ' '))).toEqual(
      expect.arrayContaining([
        'configured within 20:00-06:00 UTC: at most 7 jobs at once',
        'outside of them: at most 0 jobs at once',
        'at most 5 items are claimed in any 1s',
        'nothing starts while less than 2Gi of memory is available',
        'in force unknown: no service dispatches',
      ]),
    )
  })

  test.each([
    ['windows: [Mon-Fri 20:00-06:00 Europe/Berlyn]', 'processing.windows.0', 'has an unknown time zone'],
    ['windows: [00:00-24:00 UTC, Mo 20:00-06:00 UTC]', 'processing.windows.1', 'has an unknown day'],
    ['windows: [20:00-06:00]', 'processing.windows.0', 'must be days, times and a time zone'],
    ['windows: []', 'processing.windows', 'must not be empty'],
    ['windows: 20:00-06:00 UTC', 'processing.windows', 'must be a list'],
    ['rate: { count: 0, perMs: 1000 }', 'processing.rate.count', 'must be 1 or more'],
    ['rate: { count: 1, perMs: 10 }', 'processing.rate.perMs', 'must be 100 or more'],
    ['rate: { count: 1 }', 'processing.rate.perMs', 'is missing'],
    ['machine: {}', 'processing.machine', 'needs a load, a freeMemory, or both'],
    ['machine: { load: 0 }', 'processing.machine.load', 'must be more than 0'],
    ['machine: { freeMemory: 2 GB }', 'processing.machine.freeMemory', 'must be a size such as 2Gi'],
    ['outsideLimit: 3', 'processing.outsideLimit', 'has no effect without processing.windows'],
    ['ratte: 1', 'processing.ratte', 'there is no such setting; did you mean `rate`?'],
  ])('%s is refused by `check` and at the start, with its line', async (setting, field, why) => {
    await writeFile(join(box.dir, 'sluice.config.yaml'), `${QUEUE}  ${setting}\n`)
    for (const command of [['check'], ['run', '--until-empty']]) {
      const { code, err } = await box.run(command)
      expect(code).toBe(2)
      expect(err).toContain(`${field}: ${why}`)
      // A missing one has no line.
      expect(err).toContain(why === 'is missing' ? 'SLUICE_PROCESSING_RATE_PER_MS' : 'sluice.config.yaml:9')
    }
  })
})
