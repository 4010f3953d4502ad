/** The settings of the PostgreSQL server: those of a server that keeps what it has acknowledged, with room to work. */
export function serverSettings(isSynced: boolean): string[] {
  return [
    'fsync=on',
    `synchronous_commit=${isSynced ? 'on' : 'off'}`,
    'full_page_writes=on',
    'shared_buffers=256MB',
    'max_wal_size=4GB',
    // A checkpoint comes when a case asks for one, not in the middle of somebody's measurement.
    'checkpoint_timeout=30min',
    'max_connections=300',
  ]
}
