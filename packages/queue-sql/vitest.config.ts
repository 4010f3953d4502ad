import { defineConfig } from 'vitest/config'
import { testBase } from '../../vitest.base.ts'

export default defineConfig({
  test: {
    ...testBase,
    globalSetup: ['test/support/global-setup.ts'],
    // One test looks at what is held in memory.
    execArgv: ['--expose-gc'],
    // Two files at a time, beside those of queue-s3: both wait for timeouts much of the time, and nothing
    // here needs a machine of its own.
    fileParallelism: true,
    maxWorkers: 2,
    sequence: { groupOrder: 1 },
  },
})
