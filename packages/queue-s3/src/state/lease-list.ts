import { silentLogger, type LeaseView } from '@sluice/core'
import { decodeKey } from '../format/key-encoding.js'
import { runProtocol } from '../store/protocol-run.js'
import { SECOND_MS, holdingOf } from './s3-leases.js'
import type { S3Store } from '../store/s3-store.js'
import { read } from '../store/storage-op.js'
import { versionNumberOf } from './version-chain.js'

interface Newest {
  readonly key: string
  readonly modifiedAt: number
}

/**
 * The held leases of a queue, for a process that has not watched them: each whose newest version is younger
 * than its ttl by the store's clock. In doubt it counts as held. A LIST, and a GET for each lease.
 *
 * @param root of the queue, with its slash
 */
export async function heldLeases(store: S3Store, root: string): Promise<readonly LeaseView[]> {
  const newest = await newestOf(store, `${root}LEASES/`)
  const held: LeaseView[] = []
  for (const [folder, { key, modifiedAt }] of newest) {
    const found = await runProtocol(store, read(key), { logger: silentLogger })
    const holding = found && holdingOf(found)
    if (holding === undefined || holding.released) continue
    const { holder, fencingToken, ttlMs } = holding
    const now = store.clock.now()
    const sinceAt = Math.min(modifiedAt, now)
    if (isOver(store, sinceAt + ttlMs, sinceAt)) continue
    // In doubt a moment is left.
    const leftMs = Math.max(1, sinceAt + SECOND_MS + ttlMs - now)
    held.push({ name: decodeKey(folder) ?? folder, holder, fencingToken, ttlMs, leftMs })
  }
  return held
}

function isOver({ clock }: S3Store, endsAt: number, sinceAt: number): boolean {
  if (!clock.isSure || !clock.isSteadySince(sinceAt)) return false
  return clock.now() >= endsAt + SECOND_MS + clock.spreadMs
}

/** By folder: the first name in each is that of the newest version. */
async function newestOf(store: S3Store, root: string): Promise<Map<string, Newest>> {
  const newest = new Map<string, Newest>()
  let after = root
  for (;;) {
    const page = await store.list({ prefix: root, after })
    for (const { key, modifiedAt } of page.objects) {
      after = key
      const end = key.lastIndexOf('/')
      const folder = key.slice(root.length, Math.max(root.length, end))
      if (versionNumberOf(key.slice(end + 1)) !== undefined && !newest.has(folder))
        newest.set(folder, { key, modifiedAt })
    }
    if (!page.more) return newest
  }
}
