/**
 * What every package's tests have in common. The bounds are there to end what hangs, not to time anything: a
 * slow machine must not fail.
 */
export const testBase = { include: ['test/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 }
