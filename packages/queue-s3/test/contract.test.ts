import { testQueue } from '@sluice/testkit/vitest'
import { endpointHarness, isEndpointGiven } from './endpoint-harness.js'
import { s3Harness } from './s3-harness.js'

// `node scripts/radosgw.mjs -- …` gives the endpoint of a real store.
testQueue('S3Queue', isEndpointGiven ? endpointHarness : s3Harness)
