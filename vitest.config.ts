import { defineConfig } from 'vitest/config'

// Every package has its own configuration and runs alone with `pnpm test` in its folder; here they run together.
export default defineConfig({
  test: {
    projects: ['packages/*', 'apps/*'],
    // Two files at a time on any machine: most of them wait for servers and processes, and more would starve each other on two cores.
    maxWorkers: 2,
  },
})
