/** A PostgreSQL server for tests. */
interface PostgresServer {
  readonly url: string
  stop(): Promise<void>
}

/**
 * Starts the server of queue-sql's tests. It is loaded by its address at run time: it belongs to no package's exports, and the arrows hold for
 * what is imported.
 */
export async function startPostgres(): Promise<PostgresServer> {
  const file = new URL('../../../packages/queue-sql/test/postgres-server.ts', import.meta.url)
  const loaded: { startPostgres(): Promise<PostgresServer> } = await import(file.href)
  return loaded.startPostgres()
}
