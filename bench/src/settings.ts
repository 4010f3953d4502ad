/**
 * The settings of the PostgreSQL server: those of a server that keeps what it has acknowledged, with room to
 * work.
 *
 * @param commitMs what each flush of the write-ahead log takes at least, which is how a slower disk is
 * played; commits that wait share it
 */
export function serverSettings(isSynced: boolean, commitMs = 0): string[] {
  return [
    'fsync=on',
    `synchronous_commit=${isSynced ? 'on' : 'off'}`,
    'full_page_writes=on',
    'shared_buffers=256MB',
    'max_wal_size=4GB',
    // A checkpoint comes when a case asks for one, not in the middle of a measurement.
    'checkpoint_timeout=30min',
    'max_connections=300',
    ...(commitMs === 0 ? [] : [`commit_delay=${commitMs * 1_000}`, 'commit_siblings=0']),
  ]
}
