import { testQueue } from '@sluice/testkit/vitest'
import { s3Harness } from './s3-harness.js'

testQueue('S3Queue', s3Harness)
