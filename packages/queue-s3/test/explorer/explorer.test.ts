import { describe, expect, test } from 'vitest'
import { explore } from './explore.js'
import { knownBad } from './mutations.js'
import { scenario, type Bounds } from './scenarios.js'

/** Manually: SLUICE_EXPLORE=10 for ten times as many states. */
const SCALE = Number(process.env['SLUICE_EXPLORE'] ?? 1)

const sound: readonly (readonly [title: string, bounds: Bounds, states: number])[] = [
  [
    'two claimers, one delay, one crash',
    { roles: ['put', 'claim', 'claim'], ends: ['SUCCESS', 'WAITING'], delays: 1, crashes: 1 },
    25_000,
  ],
  [
    'false suspicion: another process ends the attempt',
    { roles: ['put', 'claim', 'adopt', 'claim'], ends: ['SUCCESS', 'keep'], delays: 1 },
    25_000,
  ],
  [
    'fail, requeue and remove at once',
    { roles: ['put', 'claim', 'requeue', 'remove'], ends: ['FAIL'], crashes: 1 },
    25_000,
  ],
  ['remove and put again, one delay', { roles: ['put', 'remove', 'put again', 'claim'], delays: 1 }, 25_000],
  [
    'removed and put again twice, beside a lookup, one delay, one crash',
    { roles: ['put', 'remove', 'put again', 'remove', 'put again', 'lookup'], delays: 1, crashes: 1 },
    25_000,
  ],
  ['two producers of one id, two delays', { roles: ['put', 'put again', 'claim'], delays: 2 }, 25_000],
  [
    'repairers beside claimers, one crash',
    { roles: ['put', 'claim', 'repair', 'claim'], ends: ['WAITING', 'FAIL'], crashes: 1 },
    25_000,
  ],
  [
    'fail beside a helper, requeue and remove, one delay',
    { roles: ['put', 'claim', 'repair', 'requeue', 'remove'], ends: ['FAIL'], delays: 1 },
    25_000,
  ],
  [
    'a lookup beside everything',
    { roles: ['put', 'claim', 'lookup', 'remove'], ends: ['WAITING', 'FAIL', 'SUCCESS'] },
    25_000,
  ],
  [
    'removal by age beside requeue and claimers, one crash',
    { roles: ['put', 'claim', 'expire', 'requeue', 'claim'], ends: ['FAIL', 'SUCCESS'], crashes: 1 },
    25_000,
  ],
  [
    'puts finished by a sweep beside their makers, claimers and removal, one crash',
    { roles: ['put', 'finish', 'claim', 'remove', 'put again'], ends: ['WAITING'], crashes: 1 },
    25_000,
  ],
  [
    'puts finished by a sweep, late requests',
    { roles: ['put', 'put again', 'finish', 'claim'], delays: 2 },
    25_000,
  ],
  [
    'a store that refuses names: puts are taken back by their makers, another put, a lookup and a sweep',
    { roles: ['put', 'put again', 'lookup', 'finish'], delays: 1, crashes: 1, refusing: true },
    25_000,
  ],
  [
    'leftovers deleted beside claimers, one delay, one crash',
    { roles: ['put', 'claim', 'tidy', 'claim'], ends: ['WAITING', 'SUCCESS'], delays: 1, crashes: 1 },
    25_000,
  ],
  [
    'releases that keep the place, by several at once, one delay, one crash',
    {
      roles: ['put', 'claim', 'adopt', 'claim', 'repair'],
      ends: ['WAITING', 'SUCCESS'],
      keepPlace: true,
      delays: 1,
      crashes: 1,
    },
    25_000,
  ],
  [
    'tombstones purged, and claimers with listings from before it, one delay',
    { roles: ['put', 'claim', 'remove', 'purge', 'claim', 'put again'], ends: ['WAITING'], delays: 1 },
    25_000,
  ],
  [
    'tombstones of a requeue purged after a removal by age, one crash',
    { roles: ['put', 'claim', 'requeue', 'expire', 'claim', 'purge', 'claim'], ends: ['FAIL'], crashes: 1 },
    25_000,
  ],
  [
    'an update beside two claimers, one delay, one crash',
    { roles: ['put', 'update', 'claim', 'claim'], ends: ['SUCCESS', 'WAITING'], delays: 1, crashes: 1 },
    25_000,
  ],
  [
    'two updates of another priority beside a claimer and a lookup, one delay, one crash',
    {
      roles: ['put', 'update', 'update', 'claim', 'read'],
      gives: 'body and priority',
      delays: 1,
      crashes: 1,
    },
    25_000,
  ],
  [
    'updates of a released item, whose state is in its object alone, beside those who finish and delete, one crash',
    { roles: ['put', 'claim', 'update', 'update', 'repair', 'tidy', 'claim'], ends: ['WAITING'], crashes: 1 },
    25_000,
  ],
  [
    'claims by id, with and without a name from before, beside a claimer and a release, one delay, one crash',
    {
      roles: ['put', 'claim named', 'claim', 'claim named'],
      ends: ['WAITING', 'SUCCESS'],
      delays: 1,
      crashes: 1,
    },
    25_000,
  ],
  [
    'a claim by id beside an update, remove and put again, one delay, one crash',
    { roles: ['put', 'claim named', 'update', 'remove', 'put again'], delays: 1, crashes: 1 },
    25_000,
  ],
  [
    'claims by id beside fail, requeue and purge, one crash',
    {
      roles: ['put', 'claim named', 'requeue', 'expire', 'purge', 'claim named'],
      ends: ['FAIL'],
      crashes: 1,
    },
    25_000,
  ],
  [
    'two updates of resources beside a claim by id and a lookup, one delay, one crash',
    {
      roles: ['put', 'update', 'update', 'claim named', 'read'],
      gives: 'body and resources',
      delays: 1,
      crashes: 1,
    },
    25_000,
  ],
  [
    'an update beside remove, put again and a claimer, one delay, one crash',
    { roles: ['put', 'update', 'remove', 'put again', 'claim'], delays: 1, crashes: 1 },
    25_000,
  ],
  [
    'updates of long bodies beside a claimer and a sweep of such bodies, one delay, one crash',
    {
      roles: ['put', 'update', 'update', 'claim', 'purge changes', 'purge changes'],
      gives: 'long body',
      delays: 1,
      crashes: 1,
    },
    25_000,
  ],
  [
    'updates before and after a requeue, beside repairers, one crash',
    { roles: ['put', 'update', 'claim', 'requeue', 'update', 'repair', 'claim'], ends: ['FAIL'], crashes: 1 },
    25_000,
  ],
  [
    'an update, removal, purge of tombstones, and claimers with listings from before it, one delay',
    { roles: ['put', 'update', 'remove', 'purge', 'claim', 'put again'], delays: 1 },
    25_000,
  ],
  [
    'a put into SUCCESS beside one of the same id into WAITING, a claimer and a lookup, one delay, one crash',
    { roles: ['put done', 'put', 'claim', 'lookup'], delays: 1, crashes: 1 },
    25_000,
  ],
  [
    'two puts into SUCCESS of one id beside a lookup of the whole item, two delays, one crash',
    { roles: ['put done', 'put done', 'read', 'finish'], delays: 2, crashes: 1 },
    25_000,
  ],
  [
    'a put into SUCCESS, finished by a sweep beside removal, and the id put again into WAITING, one delay, one crash',
    { roles: ['put done', 'finish', 'remove', 'put again', 'claim'], delays: 1, crashes: 1 },
    25_000,
  ],
  [
    'puts into SUCCESS after a removal, beside removal by age, a repairer and an update, one delay, one crash',
    {
      roles: ['put', 'remove', 'put done', 'expire', 'repair', 'update', 'lookup'],
      delays: 1,
      crashes: 1,
    },
    25_000,
  ],
  [
    'a put into SUCCESS, removal, purge of tombstones, and those who finish puts by listings from before it, one delay',
    { roles: ['put done', 'finish', 'remove', 'purge', 'put done', 'lookup'], delays: 1 },
    25_000,
  ],
  [
    'a store that refuses names, beside puts into SUCCESS',
    { roles: ['put', 'put done', 'lookup', 'finish'], delays: 1, crashes: 1, refusing: true },
    25_000,
  ],
]

describe('the protocol as built', () => {
  let all = 0
  test.each(sound)(
    '%s: no state is wrong',
    (title, bounds, states) => {
      const found = explore(scenario(bounds), states * SCALE)
      all += found.states
      console.log(`${title}: ${found.states} states${found.complete ? ', all there are' : ''}`)
      expect([found.wrong, ...(found.trail ?? [])]).toEqual([undefined])
    },
    600_000,
  )

  test('300,000 states or more were seen', () => {
    expect(all).toBeGreaterThanOrEqual(300_000)
  })
})

describe('variants that are known to be wrong', () => {
  test.each(knownBad.map((bad) => [bad.title, bad] as const))(
    '%s is caught',
    (title, { bounds }) => {
      const found = explore(scenario(bounds), 300_000)
      console.log(`${title}: caught after ${found.states} states: ${found.wrong}`)
      expect(found.wrong).toBeDefined()
    },
    120_000,
  )
})
