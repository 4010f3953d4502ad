import type { Lease } from '../../items/lease.js'

/** A lease of its facts and its two calls. */
export function createLease(
  facts: Pick<Lease, 'name' | 'holder' | 'fencingToken' | 'ttlMs'>,
  calls: Pick<Lease, 'renew' | 'release'>,
): Lease {
  return { ...facts, ...calls, [Symbol.asyncDispose]: calls.release }
}
