// One server's trial: what it makes of the condition, whether Sluice opens a queue there, and if so the
// contract and two kill tests.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { pinnedNode, root } from '../setup.mjs'
import { measureConditions } from './conditions.mjs'
import { storeEnvironment } from './loopback.mjs'
import { startServer } from './server-list.mjs'
import { SluiceOnStore, runTwoServices } from './two-services.mjs'

const KILL_TEST = join(root, 'packages/queue-s3/scripts/kill-test.mjs')
const INVALID = 2
const REFUSED_FOR = { ignored: /ignores it|is ignored/u, racing: /checks first and writes later/u }
const NOT_IN_TIME = /did not end within/u
/** To end what hangs: a busy machine takes minutes for a thousand requests. */
const CASE_TIMEOUT = '10m'
/**
 * Enough to see that it works, where every minute counts. An id without a letter stands for all that begin
 * with it, some of which are thousands of requests.
 */
const QUICK = { rounds: 40, cases: ['Q-PUT-1/b', 'Q-PUT-1/c', 'Q-MOVE-1/f', 'Q-LEASE-1/a'], items: 60 }
const WHOLE = { rounds: 100, cases: [''], items: 200, claimers: { items: '300', seconds: '12' } }

/** What opens a queue twice and does little with it. */
const OPENING = ['Q-CLOSE-1']

const runProgram = promisify(execFile)

/**
 * @param {import('./server-list.mjs').Server} server
 * @param {{ quick?: boolean, say?: (line: string) => void }} [options]
 * @returns {Promise<object>} what `docs/s3-servers.json` has of a server; `wrong` lists what should not be
 */
export async function runTrial(server, { quick = false, say = () => {} } = {}) {
  const extent = quick ? QUICK : WHOLE
  const timed = timer((line) => say(`${server.id}: ${line}`))
  const store = await timed('install and start', () => startServer(server.id))
  try {
    const conditions = await timed('conditions', () => measureConditions(store.endpoint, extent.rounds))
    const seen = { version: server.version, ranOn: new Date().toISOString().slice(0, 10), ...conditions }
    const verified = await timed('verify', () =>
      verify(store, server.unsafe === undefined ? extent.cases : OPENING),
    )
    if (verified.refused !== undefined) return { ...seen, ...judgeRefusal(server, verified.refused) }
    if (server.unsafe !== undefined) {
      const wrong = `the condition of ${server.id} is ${server.unsafe}, and it was not refused`
      return { ...seen, outcome: 'accepted', wrong: [wrong] }
    }
    const services = await timed('two services', () => runTwoServices(store, extent))
    const claimers = extent.claimers && (await timed('claimers', () => runClaimers(store, extent.claimers)))
    return { ...seen, ...judgeWork({ ...seen, verified, services, claimers }) }
  } finally {
    await store.stop()
  }
}

function timer(say) {
  return async (what, action) => {
    const start = performance.now()
    try {
      return await action()
    } finally {
      say(`${what} took ${((performance.now() - start) / 1_000).toFixed(1)} s`)
    }
  }
}

/** `sluice verify`, and of the cases that failed those that had not ended in time. */
async function verify(store, cases) {
  const counts = { passed: 0, failed: 0, slow: 0, skipped: 0 }
  const failures = []
  const sluice = new SluiceOnStore(store)
  try {
    for (const only of cases) {
      const { code, stdout, stderr } = await sluice.run([
        'verify',
        '--json',
        '--timeout',
        CASE_TIMEOUT,
        '--only',
        only,
      ])
      if (code === INVALID) return { refused: messageIn(stderr) }
      for (const one of resultsIn(stdout)) {
        const outcome = one.outcome === 'failed' && NOT_IN_TIME.test(one.error ?? '') ? 'slow' : one.outcome
        counts[outcome] += 1
        if (outcome === 'failed') failures.push(`${one.id} ${one.error}`)
      }
      if (counts.passed === 0) failures.push(`verify ended with ${code}: ${stderr.trim()}`)
    }
    return { counts, failures }
  } finally {
    sluice.close()
  }
}

function messageIn(stderr) {
  return JSON.parse(stderr.trim().split('\n').at(-1)).error.message
}

function resultsIn(stdout) {
  const lines = stdout.split('\n').filter((line) => line !== '')
  return lines.map((line) => JSON.parse(line)).filter(({ outcome }) => outcome !== undefined)
}

/**
 * Four processes without a lease that claim at once, from listings some of which are old; one of them is
 * killed each second.
 */
async function runClaimers(store, { items, seconds }) {
  const args = [KILL_TEST, '--items', items, '--seconds', seconds]
  const env = { ...process.env, ...storeEnvironment(store) }
  const { stdout } = await runProgram(pinnedNode, args, { env, maxBuffer: 2 ** 26 }).catch((error) => error)
  const report = JSON.parse(stdout)
  return { items: report.items, runs: report.runs, kills: report.kills, wrong: report.wrong }
}

function judgeRefusal({ id, unsafe }, words) {
  if (unsafe === undefined) return { outcome: 'refused', wrong: [`${id} was refused: ${words}`] }
  const isRight = REFUSED_FOR[unsafe].test(words)
  const wrong = `the condition of ${id} is ${unsafe}, and it was refused with: ${words}`
  return { outcome: 'refused', refusedFor: unsafe, wrong: isRight ? [] : [wrong] }
}

function judgeWork({ condition, shared, verified, services, claimers }) {
  const wrong = [
    ...(condition === 'honoured' ? [] : ['the condition is ignored, and the store was accepted']),
    ...(shared === 0 ? [] : [`${shared} races had several winners, and the store was accepted`]),
    ...verified.failures,
    ...services.wrong,
    ...(claimers?.wrong ?? []),
  ]
  const { wrong: _, ...counted } = services
  const claimed = claimers && { ...claimers, wrong: claimers.wrong.length }
  return {
    outcome: wrong.length === 0 ? 'works' : 'broken',
    verify: verified.counts,
    services: counted,
    ...(claimed === undefined ? {} : { claimers: claimed }),
    wrong,
  }
}
