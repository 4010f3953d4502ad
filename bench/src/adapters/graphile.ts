import { Logger, makeWorkerUtils } from 'graphile-worker'
import type { Adapter } from '../adapter.ts'

export const silent = new Logger(() => () => {})

/** graphile-worker's producer. It has no claim to call: its runner is measured in the case `dispatch`. */
export const graphile: Adapter = {
  name: 'graphile-worker',
  open: async ({ postgresUrl }, clients) => {
    const utils = await makeWorkerUtils({
      connectionString: postgresUrl,
      maxPoolSize: clients,
      logger: silent,
    })
    await utils.migrate()
    return {
      put: async (items) => {
        const [first] = items
        if (items.length === 1) await utils.addJob('bench', first?.body ?? {})
        else await utils.addJobs(items.map(({ body }) => ({ identifier: 'bench', payload: body })))
      },
      close: async () => {
        await utils.release()
      },
    }
  },
}
