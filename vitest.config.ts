import { defineConfig } from 'vitest/config'

// Every package has its own configuration and runs alone with `pnpm test` in its folder; here they run
// together.
export default defineConfig({
  test: {
    projects: ['packages/*', 'apps/*'],
  },
})
