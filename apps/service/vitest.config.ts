import { defineConfig } from 'vitest/config'

// Many tests start the built command line, several times; on a busy machine each start takes its time.
export default defineConfig({
  test: { include: ['test/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 },
})
