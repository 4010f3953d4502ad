import { mkdtempSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { STAGES } from '@sluice/core'
import { afterEach, expect, test, vi } from 'vitest'
import { openQueue } from '../../src/index.js'
import { agesIndex, sqliteSteps } from '../../src/schema/steps.js'
import { sqliteStatements } from '../../src/sqlite/statements.js'
import { tableNames } from '../../src/schema/tables.js'

const names = tableNames('plan_')
const { due, deleteEverywhere, facts, claimedFrom, bulk, ahead, aheadOfKey, ...others } =
  sqliteStatements(names)
const texts: [string, string][] = [
  ...Object.entries(others),
  ...Object.entries(bulk).flatMap(([columns, { many, one }]): [string, string][] => [
    [`put many ${columns}`, many],
    [`put one ${columns}`, one],
  ]),
  ['rank ahead', ahead.rank],
  ['page ahead', ahead.page],
  ['rank ahead of a key', aheadOfKey.rank],
  ['page ahead of a key', aheadOfKey.page],
  ['find items', `select i.seq, p.attempt, f.stage from ${facts} where i.queue_id = ? and i.id = ?`],
  [
    'list summaries',
    `select p.id, i.priority from ${claimedFrom} where p.queue_id = ? and p.id > ? order by p.id limit ?`,
  ],
  ...Object.entries(due).flatMap(([scope, { text, deleteText }]): [string, string][] => [
    [`claim ${scope}`, deleteText],
    [`scan ${scope}`, text],
  ]),
  ...deleteEverywhere.map((text, index): [string, string] => [`remove, part ${index}`, text]),
]

const database = new DatabaseSync(':memory:')
for (const step of sqliteSteps(names)) for (const text of step) database.exec(text)
const ages = agesIndex(names)
database.exec(`create index ${ages.name} on ${ages.on}`)

test.each(texts)('%s finds rows by a key and scans no table and no queue', (_, text) => {
  expect(walks(database, text)).toEqual([])
})

const folders: string[] = []
afterEach(() => {
  vi.restoreAllMocks()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

test('no read of a queue scans a table or all items of the queue', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-plans-'))
  folders.push(folder)
  const path = join(folder, 'queue.db')
  const prepare = vi.spyOn(DatabaseSync.prototype, 'prepare')
  const queue = await openQueue({ name: 'plans', url: `sqlite:${path}`, tablePrefix: 'plan_' })
  await queue.putMany(['a', 'b', 'c', 'd'].map((id) => ({ id, body: id })))
  await queue.get(3)
  await queue.success('a')
  await queue.fail('b')
  prepare.mockClear()
  await queue.peek(2)
  await queue.lookup('a')
  await queue.lookupStatus('a')
  for (const stage of STAGES) {
    await queue.list(stage, { limit: 2 })
    await queue.listSummaries(stage, { limit: 2 })
  }
  const texts = prepare.mock.calls.map(([text]) => text)
  expect(texts.length).toBeGreaterThan(6)
  await queue.close()
  const own = new DatabaseSync(path)
  expect(texts.flatMap((text) => walks(own, text))).toEqual([])
  own.close()
})

/** The parts of a plan that cost as much as there are items. */
function walks(of: DatabaseSync, text: string): string[] {
  const details = of
    .prepare(`explain query plan ${text}`)
    .all()
    .map(({ detail }) => String(detail))
  return details.filter(
    (detail) =>
      /^SCAN "?(?:plan_|[bi]\b)/.test(detail) ||
      // By the queue's number alone it would be all items of the queue; the few rows of the backlog and of
      // its kin are found so.
      /^SEARCH (?!plan_(?:waiting|processing|counters)|w\b).*\(queue_id=\?\)$/.test(detail),
  )
}
