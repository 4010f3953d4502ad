import { defineConfig } from 'vitest/config'
import { testBase } from '../../vitest.base.ts'

// Concurrent are only the cases of the contract on a real store, which wait most of the time.
export default defineConfig({ test: { ...testBase, testTimeout: 300_000, maxConcurrency: 12 } })
