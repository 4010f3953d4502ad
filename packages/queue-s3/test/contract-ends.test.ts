import { testQueue } from '@sluice/testkit/vitest'
import { s3Harness } from './s3-harness.js'

// The part of the contract that waits for timeouts: see contract.test.ts. The cases of put and get, and of
// the moves, are in files beside this one.
testQueue('S3', s3Harness, {
  timeoutMs: 600_000,
  concurrent: true,
  only: (id) => id.startsWith('Q-END-1') && !/^Q-END-1(?:\/[a-n])?$/.test(id),
})
