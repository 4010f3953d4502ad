import { defineConfig } from 'vitest/config'
import { besideOthers, testBase } from '../../vitest.base.ts'

export default defineConfig({
  test: {
    ...testBase,
    ...besideOthers,
    testTimeout: 300_000,
    // Concurrent are the cases of the contract that wait most of the time: on a real store, and for timeouts.
    maxConcurrency: 16,
  },
})
