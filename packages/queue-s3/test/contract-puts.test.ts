import { testQueue } from '@sluice/testkit/vitest'
import { s3Harness } from './s3-harness.js'

/**
 * Ids of any length, of letters and of bytes that are escaped: five thousand requests each, run with
 * SLUICE_EXPLORE. `Q-PUT-1/m` goes through each length with characters of both kinds, and key-names.test.ts
 * through the names of all.
 */
const LONG_RUNS = process.env['SLUICE_EXPLORE'] === undefined ? ['Q-PUT-1/k', 'Q-PUT-1/l'] : []

// Some cases are five thousand requests, which a busy machine takes its time for: see contract.test.ts.
testQueue('S3', s3Harness, {
  timeoutMs: 300_000,
  only: (id) => id.startsWith('Q-PUT-') && !LONG_RUNS.includes(id),
})
