import { testQueue } from '@sluice/testkit/vitest'
import { inject } from 'vitest'
import { postgresHarness } from './support/postgres-harness.js'

// The part of the contract that waits for timeouts and slow links: see postgres-contract.test.ts.
testQueue('PostgreSQL', () => postgresHarness(inject('postgresUrl')), {
  only: (id) => id.startsWith('Q-END-1'),
})
