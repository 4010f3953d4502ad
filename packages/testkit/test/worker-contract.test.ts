import { testWorker } from '../src/vitest.js'
import { tinyHarness } from './tiny-worker.js'

testWorker('a tiny worker', tinyHarness)
