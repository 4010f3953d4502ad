import { copyFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { openQueue } from '@sluice/queue-sql'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Sandbox, logged } from '../fixtures/sandbox.js'

let box: Sandbox
let file: string

beforeEach(async () => {
  box = await Sandbox.open()
  file = join(box.dir, 'queue.db')
  const config = {
    queue: { package: 'sql', name: 'tiles', url: `sqlite:${file}` },
    worker: { package: 'dummy', rule: { afterMs: 60_000 } },
    service: { intervalMs: 50 },
  }
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify(config))
})
afterEach(() => box.close())

const HAPPENINGS: [what: string, happen: () => Promise<void>][] = [
  ['deleted', () => rm(file)],
  ['renamed', () => rename(file, `${file}.old`)],
  [
    'replaced by a copy',
    async () => {
      await copyFile(file, `${file}.copy`)
      await rename(`${file}.copy`, file)
    },
  ],
]

describe.each(HAPPENINGS)('the SQLite file is %s', (_, happen) => {
  async function* manifest(): AsyncGenerator<string> {
    yield lines(0, 3_000)
    // The first of it is stored by the time that more is asked for.
    await untilStored()
    await happen()
    for (let from = 3_000; from < 60_000; from += 3_000) yield lines(from, 3_000)
  }

  test('while a service runs: it ends, with a line that names the file, and exit code 2', async () => {
    const queue = await openQueue({ name: 'tiles', url: `sqlite:${file}` })
    await queue.put('one', 1)
    await queue.close()
    const service = box.start(['run'])
    await logged(service.stderr, 'this service dispatches')
    await happen()
    const { exitCode, stderr } = await service
    expect(exitCode).toBe(2)
    expect(stderr).toMatch(
      /in the SQLite file .*queue\.db: it was (?:deleted, renamed or unmounted|replaced) while it was open\. .*start again/u,
    )
  })

  test('during a load: the load fails, and reports what it stored', async () => {
    const { code, out, err } = await box.run(['load', '-'], { input: Readable.from(manifest()) })
    expect([code, out]).toEqual([2, expect.stringMatching(/^Stopped after line [\d,]+ of standard input/mu)])
    expect(err).toMatch(/in the SQLite file .*queue\.db: it was (?:deleted, renamed or unmounted|replaced)/u)
    expect(err).toMatch(/^[\d,]+ items? (?:was|were) added before that/mu)
  })
})

function lines(from: number, count: number): string {
  const all = Array.from({ length: count }, (_, n) => `${JSON.stringify({ id: `i${from + n}`, body: 1 })}\n`)
  return all.join('')
}

/** Until another process sees items in the file. */
async function untilStored(): Promise<void> {
  for (;;) {
    const queue = await openQueue({ name: 'tiles', url: `sqlite:${file}` })
    const waiting = await queue.size('WAITING')
    await queue.close()
    if (waiting > 0) return
    // SQLite answers at once, always: without a turn of the event loop the load, which is of this process,
    // would never get one.
    await turn()
  }
}
