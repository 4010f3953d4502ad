import { testQueue } from '@sluice/testkit/vitest'
import { endpointHarness, isEndpointGiven } from './endpoint-harness.js'
import { s3Harness } from './s3-harness.js'

// `node scripts/radosgw.mjs -- …` gives the endpoint of a real store: there, time is waited for, and so many cases wait at once.
if (isEndpointGiven) testQueue('S3Queue', endpointHarness, { timeoutMs: 600_000, concurrent: true })
// Some cases are five thousand requests, which a busy machine takes its time for. Those of Q-END-1 wait most of the time, in a file beside this one.
else testQueue('S3Queue', s3Harness, { timeoutMs: 300_000, only: (id) => !id.startsWith('Q-END-1') })
