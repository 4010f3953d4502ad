import { join } from 'node:path'

/**
 * What every package's tests have in common. The bounds are there to end what hangs, not to time anything: a
 * slow machine must not fail.
 */
export const testBase = {
  include: ['test/**/*.test.ts'],
  testTimeout: 60_000,
  hookTimeout: 60_000,
  expect: { poll: { timeout: 30_000 } },
  ...(process.env['SLUICE_TEST_CPU'] !== undefined && {
    setupFiles: [join(import.meta.dirname, 'vitest.cpu.ts')],
  }),
}

/**
 * For packages whose tests start processes and kill them: one file at a time, since two cores are soon too
 * few for two of those. They come first, as the check has other steps beside them then.
 */
export const oneByOne = { fileParallelism: false, sequence: { groupOrder: 1 } }

/**
 * For packages whose tests are mostly in one process: more files at a time than cores, since many of them
 * wait for timeouts most of the time.
 */
export const besideOthers = { fileParallelism: true, maxWorkers: 3, sequence: { groupOrder: 2 } }
