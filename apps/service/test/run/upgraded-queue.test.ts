import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { openQueue } from '@sluice/queue-sql'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Sandbox, logged } from '../fixtures/sandbox.js'

let box: Sandbox
beforeEach(async () => {
  box = await Sandbox.open()
})
afterEach(() => box.close())

/** Does with the tables what a newer release would, and what would undo it. */
function change(text: string): void {
  const database = new DatabaseSync(join(box.dir, 'queue.db'))
  database.exec(text)
  database.close()
}

test('services whose queue a newer release upgrades, the standby too, end with 2, name the upgrade, and move no more items', async () => {
  const url = `sqlite:${join(box.dir, 'queue.db')}`
  await writeFile(
    join(box.dir, 'sluice.config.json'),
    JSON.stringify({
      queue: { package: 'sql', name: 'tiles', url },
      worker: { package: 'process', command: ['sleep', '20'], dir: join(box.dir, 'jobs') },
      processing: { limit: 2 },
      service: { intervalMs: 50, leaseTtlMs: 1500, stopDeadlineMs: 5000 },
    }),
  )
  const queue = await openQueue({ name: 'tiles', url })
  await queue.putMany(['a', 'b', 'c', 'd'].map((id) => ({ id, body: 1 })))
  const first = box.start(['run', '--log-format', 'json'])
  await logged(first.stderr, 'this service dispatches')
  const second = box.start(['run', '--log-format', 'json'])
  await logged(second.stderr, 'standing by: another service dispatches this queue')
  await expect.poll(() => queue.size('PROCESSING'), { timeout: 60_000 }).toBe(2)
  change('insert into sluice_schema (version) values (999)')
  for (const { exitCode, stderr } of await Promise.all([first, second])) {
    expect(exitCode).toBe(2)
    expect(stderr.split('\n').at(-1)).toMatch(/version 999.*Upgrade @sluice\/queue-sql here too/)
  }
  change('delete from sluice_schema where version = 999')
  expect(await queue.sizes()).toEqual({ WAITING: 2, PROCESSING: 2, SUCCESS: 0, FAIL: 0 })
  const { items } = await queue.listSummaries('PROCESSING', { limit: 10 })
  expect(items.map(({ attempt }) => attempt)).toEqual([1, 1])
  await queue.close()
})
