import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    // One test looks at what is held in memory.
    execArgv: ['--expose-gc'],
  },
})
