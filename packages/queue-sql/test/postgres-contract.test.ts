import { testQueue } from '@sluice/testkit/vitest'
import { inject } from 'vitest'
import { postgresHarness } from './support/postgres-harness.js'

testQueue('PostgreSQL', () => postgresHarness(inject('postgresUrl')))
