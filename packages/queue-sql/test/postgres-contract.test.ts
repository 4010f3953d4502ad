import { testQueue } from '@sluice/testkit/vitest'
import { inject } from 'vitest'
import { postgresHarness } from './support/postgres-harness.js'

// What waits for timeouts and slow links is in postgres-contract-ends.test.ts: it takes as long as all the rest.
testQueue('PostgreSQL', () => postgresHarness(inject('postgresUrl')), {
  only: (id) => !id.startsWith('Q-END-1'),
})
