import { testQueue } from '@sluice/testkit/vitest'
import { sqliteHarness } from '../support/sqlite-harness.js'
import { waitsMostly } from '../support/waiting-cases.js'

const makeHarness = () => sqliteHarness()

testQueue('SQLite, in a file', makeHarness, { only: (id) => !waitsMostly(id) })
testQueue('SQLite, in a file', makeHarness, { only: waitsMostly, concurrent: true })
