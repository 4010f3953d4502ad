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
 * For packages whose tests are mostly in one process: some files at a time, after what other packages test
 * one by one. More files than cores, since many of them wait for timeouts most of the time.
 */
export const besideOthers = { fileParallelism: true, maxWorkers: 3, sequence: { groupOrder: 1 } }
