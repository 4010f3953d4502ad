import { testQueue } from '@sluice/testkit/vitest'
import { inject } from 'vitest'
import { postgresHarness } from './support/postgres-harness.js'

// The part of the contract that waits for timeouts and for slow links: see postgres-contract.test.ts.
const makeHarness = () => postgresHarness(inject('postgresUrl'))
const isOfLink = (id: string) => /^Q-END-1\/\w+-\dmb$/.test(id)

testQueue('PostgreSQL', makeHarness, { only: (id) => id.startsWith('Q-END-1') && !isOfLink(id) })
testQueue('PostgreSQL', makeHarness, { only: isOfLink, concurrent: true })
