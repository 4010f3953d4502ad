import { testQueue } from '@sluice/testkit/vitest'
import { endpointHarness, isEndpointGiven } from './endpoint-harness.js'
import { s3Harness } from './s3-harness.js'

/**
 * Thousands of requests each: all are tried on the server in this process, and on a real store with
 * SLUICE_EXPLORE. Of the lengths of ids a real store needs to see those with all kinds of characters alone,
 * of processes that die at any point those that put, claim and settle, and of the walks one: the others are
 * the same requests in another order. Bodies of every shape are put there, and a thousand items settled.
 */
const TRIED_BY_OTHERS = [
  'Q-PUT-1/k',
  'Q-PUT-1/l',
  'Q-PUT-3/c',
  'Q-PUT-3/f',
  'Q-PUT-5/e',
  'Q-GET-5/g',
  'Q-MOVE-4/a',
  'Q-MOVE-4/b',
  'Q-MOVE-4/c',
  'Q-MOVE-4/e',
  'Q-MOVE-5/g',
  'Q-SIZE-1/b',
  'Q-SIZE-1/c',
  'Q-UPDATE-1/c',
  'Q-UPDATE-4',
]
const isAll = process.env['SLUICE_EXPLORE'] !== undefined
/** In files beside this one, so that two run at once: no file takes much longer than the others. */
const ELSEWHERE = ['Q-PUT-', 'Q-MOVE-', 'Q-END-', 'Q-UPDATE-4/a']

// `node scripts/radosgw.mjs -- …` gives the endpoint of a real store: there, time is waited for, and so many
// cases wait at once.
if (isEndpointGiven)
  testQueue('S3', endpointHarness, {
    timeoutMs: 600_000,
    concurrent: true,
    only: (id) => isAll || !TRIED_BY_OTHERS.includes(id),
  })
else
  testQueue('S3', s3Harness, {
    timeoutMs: 300_000,
    only: (id) => !ELSEWHERE.some((part) => id.startsWith(part)),
  })
