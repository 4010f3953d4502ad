import { defineConfig } from 'vitest/config'

// Every package has its own configuration and runs alone with `pnpm test` in its folder; here they run
// together.
export default defineConfig({
  test: {
    projects: ['packages/*', 'apps/*'],
    // One file at a time, but for the packages that take `besideOthers`: the others start processes and kill
    // them, and two cores are soon too few for two of those.
    fileParallelism: false,
  },
})
