// S3 servers out of package registries, on the loopback, for the tests that want a store that is not ours.
//   node scripts/s3-servers.mjs                    lists them
//   node scripts/s3-servers.mjs NAME               starts one, prints how to reach it, and stays until Ctrl-C
//   node scripts/s3-servers.mjs NAME -- COMMAND …  runs COMMAND with SLUICE_TEST_S3_ENDPOINT, …_ACCESS_KEY, …_SECRET_KEY, …_BUCKET and …_STORE set
import { withStore } from './s3-servers/loopback.mjs'
import { missingTools, serverOf, servers, startServer } from './s3-servers/server-list.mjs'

const [name, ...rest] = process.argv.slice(2)
if (name === undefined) list()
else await start(name, rest[0] === '--' ? rest.slice(1) : rest)

function list() {
  for (const server of servers) {
    const missing = missingTools(server)
    const note = missing.length === 0 ? '' : ` (needs ${missing.join(', ')})`
    console.log(`${server.id.padEnd(12)} ${server.title} ${server.version}${note}`)
  }
}

async function start(id, command) {
  const server = serverOf(id)
  const missing = missingTools(server)
  if (missing.length > 0) throw new Error(`${id} can't be started here: ${missing.join(', ')} not found`)
  await withStore(() => startServer(id), command)
}
