// S3 servers out of package registries and Debian, on the loopback: for the tests that want a store that is
// not ours, and for the table of stores in docs/s3-getting-started.md.
//   node scripts/s3-servers.mjs                    lists them
//   node scripts/s3-servers.mjs NAME               starts one, prints how to reach it, and stays until Ctrl-C
//   node scripts/s3-servers.mjs NAME -- COMMAND …  runs COMMAND with SLUICE_TEST_S3_ENDPOINT, …_ACCESS_KEY, …_SECRET_KEY, …_BUCKET and …_STORE set
//   node scripts/s3-servers.mjs try [NAME …]       after a build: conditions, `sluice verify` and the kill tests on these or all of them, a few
//                                                  minutes each; writes docs/s3-servers.json and the table
//   node scripts/s3-servers.mjs try --quick NAME …  the same with a few cases and items
//   node scripts/s3-servers.mjs ci                 a short trial of those that are quickest to have; writes nothing
//   node scripts/s3-servers.mjs docs [--check]     writes the table, or fails where it is out of date
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { withStore } from './s3-servers/loopback.mjs'
import { serverOf, servers, startServer, whyNot } from './s3-servers/server-list.mjs'
import { DOCUMENT, RESULTS, documentWithTable, readResults } from './s3-servers/table.mjs'
import { runTrial } from './s3-servers/trial.mjs'
import { root, say } from './setup.mjs'

/** By the time that they take to install, to start, and to answer. */
const QUICKEST = ['moto', 'gofakes3']

const [name, ...rest] = process.argv.slice(2)
if (name === undefined) list()
else if (name === 'try') {
  const ids = rest.filter((each) => !each.startsWith('-'))
  await tryServers(ids.length > 0 ? ids : servers.map(({ id }) => id), { quick: rest.includes('--quick') })
} else if (name === 'ci') await runInCi()
else if (name === 'docs') holdDocument(rest.includes('--check'))
else await start(name, rest[0] === '--' ? rest.slice(1) : rest)

function list() {
  for (const server of servers) {
    const why = whyNot(server)
    console.log(
      `${server.id.padEnd(12)} ${server.title} ${server.version}${why === undefined ? '' : ` (${why})`}`,
    )
  }
}

async function start(id, command) {
  const why = whyNot(serverOf(id))
  if (why !== undefined) throw new Error(`${id} can't be started here: ${why}`)
  await withStore(() => startServer(id), command)
}

async function tryServers(ids, options) {
  for (const server of ids.map(serverOf)) {
    const why = whyNot(server)
    if (why !== undefined) {
      say(`${server.id} is left out: ${why}`)
      continue
    }
    const { wrong, ...result } = await trial(server, options)
    // One at a time: a later one that fails leaves what is known.
    const results = existsSync(join(root, RESULTS)) ? readResults() : {}
    const kept = Object.entries({ ...results, [server.id]: result })
    const sorted = Object.fromEntries(kept.toSorted(([one], [other]) => (one < other ? -1 : 1)))
    writeFileSync(join(root, RESULTS), `${JSON.stringify(sorted, undefined, 2)}\n`)
    if (wrong.length > 0) process.exitCode = 1
  }
  holdDocument(false)
}

async function trial(server, options) {
  try {
    const result = await runTrial(server, { ...options, say })
    say(`${server.id}: ${result.outcome}`)
    for (const line of result.wrong) say(`${server.id}: WRONG: ${line}`)
    return result
  } catch (error) {
    say(`${server.id}: FAILED: ${error.message}`)
    throw error
  }
}

/** Each server is one test. Where its tools are missing it is skipped; in CI they have to be there. */
async function runInCi() {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  const isCi = !['', '0', 'false'].includes(process.env.CI ?? '')
  for (const server of QUICKEST.map(serverOf)) {
    const why = whyNot(server)
    if (why !== undefined) {
      say(`${server.id} can't be started here: ${why}`)
      counts[isCi ? 'failed' : 'skipped'] += 1
      continue
    }
    const held = await trial(server, { quick: true }).then(
      ({ wrong }) => wrong.length === 0,
      () => false,
    )
    counts[held ? 'passed' : 'failed'] += 1
  }
  console.log(`tests: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
  process.exitCode = counts.failed === 0 ? 0 : 1
}

function holdDocument(check) {
  const wanted = documentWithTable()
  const file = join(root, DOCUMENT)
  if (readFileSync(file, 'utf8') === wanted) return
  if (!check) {
    writeFileSync(file, wanted)
    return
  }
  console.error(`${DOCUMENT} is not what ${RESULTS} says: run node scripts/s3-servers.mjs docs`)
  process.exitCode = 1
}
