import type { Queue } from '@sluice/core'
import { createQueue } from '@sluice/core/backend'
import { openSqlBackend } from '../../src/open-backend.js'
import type { SqlQueueSettings } from '../../src/sql-options.js'
import type { OpenOptions } from '../../src/sql-store.js'

/** As `openQueue`, with a driver between kysely and the database, or a runtime, for tests. */
export async function openSqlQueue(settings: SqlQueueSettings, open?: OpenOptions): Promise<Queue> {
  return createQueue({ name: settings.name }, await openSqlBackend(settings, open))
}
