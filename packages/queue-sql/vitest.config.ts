import { defineConfig } from 'vitest/config'
import { besideOthers, testBase } from '../../vitest.base.ts'

export default defineConfig({
  test: {
    ...testBase,
    ...besideOthers,
    globalSetup: ['test/support/global-setup.ts'],
    // One test looks at what is held in memory.
    execArgv: ['--expose-gc'],
  },
})
