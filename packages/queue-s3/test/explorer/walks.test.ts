import { expect, test } from 'vitest'
import { walk } from './explore.js'
import { scenario, type Role } from './scenarios.js'

// prettier-ignore
const ROLES: readonly Role[] = [
  'put', 'put again', 'put', 'put done', 'put done', 'claim', 'claim', 'claim', 'claim', 'adopt', 'adopt',
  'requeue', 'requeue', 'remove', 'remove', 'lookup', 'lookup', 'repair', 'repair', 'expire', 'tidy', 'purge', 'purge', 'finish', 'finish',
  'update', 'update', 'update', 'update', 'read', 'purge changes',
]

/** One walk: SLUICE_WALK=seed. More of them: SLUICE_EXPLORE=25. */
const SEED = process.env['SLUICE_WALK']
const COUNT = 600 * Number(process.env['SLUICE_EXPLORE'] ?? 1)

test(`${COUNT} long histories by lot, with late, doubled and lost requests and crashes, break nothing`, () => {
  const gives = ['body', 'body and priority', 'long body'] as const
  const bounds = {
    roles: ROLES,
    ends: ['SUCCESS', 'FAIL', 'WAITING', 'keep'],
    delays: 6,
    crashes: 4,
    attempts: 6,
  } as const
  const seeds = SEED === undefined ? Array.from({ length: COUNT }, (_, index) => index + 1) : [Number(SEED)]
  for (const seed of seeds) {
    const found = walk(scenario({ ...bounds, gives: gives[seed % 3] ?? 'body' }), seed)
    expect([seed, found.wrong, ...(found.trail ?? [])]).toEqual([seed, undefined])
  }
}, 600_000)
