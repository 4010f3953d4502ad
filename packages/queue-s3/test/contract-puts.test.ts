import { testQueue } from '@sluice/testkit/vitest'
import { s3Harness } from './s3-harness.js'

// Some cases are five thousand requests, which a busy machine takes its time for: see contract.test.ts.
testQueue('S3', s3Harness, { timeoutMs: 300_000, only: (id) => id.startsWith('Q-PUT-') })
