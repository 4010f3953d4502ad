import { testQueue } from '@sluice/testkit/vitest'
import { s3Harness } from './s3-harness.js'

// success to remove, and update, whichever storage operation goes wrong: see contract-ends.test.ts.
testQueue('S3', s3Harness, {
  timeoutMs: 600_000,
  concurrent: true,
  only: (id) => /^Q-END-1\/[h-n]$/.test(id) || id === 'Q-UPDATE-4/a',
})
