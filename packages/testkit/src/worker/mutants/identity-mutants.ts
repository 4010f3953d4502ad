import { systemRuntime } from '@sluice/core/backend'
import { broken, type WorkerMutant } from './worker-mutant.js'

/** Workers that break what is promised of their identity. */
export const identityMutants: readonly WorkerMutant[] = [
  broken('identity-of-the-object', 'each object has an identity of its own', {
    breaks: ['W-ID-1'],
    change: () => () => ({ identity: systemRuntime.newId() }),
  }),
  broken('identity-of-the-kind', 'every worker of this kind has the same identity', {
    breaks: ['W-ID-1/a'],
    change: () => () => ({ identity: 'a worker' }),
  }),
  broken('identity-never-known', 'the identity is never known', {
    breaks: ['W-ID-1', 'W-ID-1/a'],
    change: () => () => ({ identity: undefined }),
  }),
]
