import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { sqliteSteps } from '../src/schema.js'
import { sqliteTexts } from '../src/sqlite-texts.js'
import { tableNames } from '../src/tables.js'

const names = tableNames('plan_')
const { due, deleteEverywhere, ...others } = sqliteTexts(names)
const texts: [string, string][] = [
  ...Object.entries(others),
  ...Object.entries(due).flatMap(([scope, { text, deleteText }]): [string, string][] => [
    [`claim ${scope}`, deleteText],
    [`look at ${scope}`, text],
  ]),
  ...deleteEverywhere.map((text, index): [string, string] => [`remove, part ${index}`, text]),
]

const database = new DatabaseSync(':memory:')
for (const step of sqliteSteps(names)) for (const text of step) database.exec(text)

test.each(texts)('%s looks rows up by a key and walks over no table and no queue', (_, text) => {
  const details = database
    .prepare(`explain query plan ${text}`)
    .all()
    .map(({ detail }) => String(detail))
  expect(details.filter((detail) => /^SCAN (?:plan_|[bi]\b)/.test(detail))).toEqual([])
  // By the queue's number alone it would be all items of the queue; the backlog's first row is found so.
  expect(details.filter((detail) => /^SEARCH (?!plan_waiting|w\b).*\(queue_id=\?\)$/.test(detail))).toEqual(
    [],
  )
})
