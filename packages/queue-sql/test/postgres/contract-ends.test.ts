import { testQueue } from '@sluice/testkit/vitest'
import { inject } from 'vitest'
import { postgresHarness } from '../support/postgres-harness.js'
import { waitsMostly } from '../support/waiting-cases.js'

// The part of the contract that waits for timeouts, for slow links and for items to be old: see
// postgres-contract.test.ts.
testQueue('PostgreSQL', () => postgresHarness(inject('postgresUrl')), { only: waitsMostly, concurrent: true })
