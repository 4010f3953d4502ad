import type { TableNames } from './tables.js'

/** Version 4: a lease says how long it lives, so that one whose holder is dead ends whatever becomes of the storage's clock. Nothing is rewritten. */
export function leasesHaveTtl(t: TableNames, integer: 'bigint' | 'integer'): string[] {
  return [`alter table ${t.leases} add column ttl_ms ${integer}`]
}
