import { testWorker } from '../src/vitest.js'
import { tinyHarness } from './tiny-worker.js'

testWorker('tiny workers, all cases at once', tinyHarness, { concurrent: true, timeoutMs: 10_000 })
