import { testQueue } from '@sluice/testkit/vitest'
import { s3Harness } from './s3-harness.js'

// put, putMany and get, whichever storage operation goes wrong: see contract-ends.test.ts.
testQueue('S3', s3Harness, {
  timeoutMs: 600_000,
  concurrent: true,
  only: (id) => /^Q-END-1(?:\/[a-g])?$/.test(id),
})
