import { defineConfig } from 'vitest/config'
import { testBase } from '../../vitest.base.ts'

export default defineConfig({
  test: {
    ...testBase,
    testTimeout: 300_000,
    // Concurrent are the cases of the contract that wait most of the time: on a real store, and for timeouts.
    maxConcurrency: 16,
    // Two files at a time, after what other packages test one by one: nothing here looks at the time or
    // starts a process.
    fileParallelism: true,
    maxWorkers: 2,
    sequence: { groupOrder: 1 },
  },
})
