import { testQueue } from '@sluice/testkit/vitest'
import { s3Harness } from './s3-harness.js'

// The part of the contract that waits for timeouts: see contract.test.ts.
testQueue('S3Queue', s3Harness, {
  timeoutMs: 300_000,
  concurrent: true,
  only: (id) => id.startsWith('Q-END-1'),
})
