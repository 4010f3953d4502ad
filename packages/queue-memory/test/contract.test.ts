import { testQueue } from '@sluice/testkit/vitest'
import { memoryHarness } from './memory-harness.js'

testQueue('MemoryQueue', memoryHarness)
