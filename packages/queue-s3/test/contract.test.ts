import { testQueue } from '@sluice/testkit/vitest'
import { endpointHarness, isEndpointGiven } from './endpoint-harness.js'
import { s3Harness } from './s3-harness.js'

/** Thousands of requests each, of which a real store needs to see those with all kinds of characters alone. */
const OF_ONE_KIND = ['Q-PUT-1/k', 'Q-PUT-1/l']
/** In files beside this one, so that two run at once: no file takes much longer than the others. */
const ELSEWHERE = ['Q-PUT-', 'Q-MOVE-', 'Q-END-']

// `node scripts/radosgw.mjs -- …` gives the endpoint of a real store: there, time is waited for, and so many cases wait at once.
if (isEndpointGiven)
  testQueue('S3Queue', endpointHarness, {
    timeoutMs: 600_000,
    concurrent: true,
    only: (id) => !OF_ONE_KIND.includes(id),
  })
else
  testQueue('S3Queue', s3Harness, {
    timeoutMs: 300_000,
    only: (id) => !ELSEWHERE.some((part) => id.startsWith(part)),
  })
