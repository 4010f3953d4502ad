import { testQueue } from '@sluice/testkit/vitest'
import { inject } from 'vitest'
import { postgresHarness } from '../support/postgres-harness.js'
import { waitsMostly } from '../support/waiting-cases.js'

// What waits most of the time is in postgres-contract-ends.test.ts, where it runs at once.
testQueue('PostgreSQL', () => postgresHarness(inject('postgresUrl')), { only: (id) => !waitsMostly(id) })
