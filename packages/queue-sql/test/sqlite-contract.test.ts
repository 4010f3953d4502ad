import { testQueue } from '@sluice/testkit/vitest'
import { sqliteHarness } from './support/sqlite-harness.js'

testQueue('SQLite, in a file', () => sqliteHarness())
