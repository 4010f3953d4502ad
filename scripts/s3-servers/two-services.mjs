// Two services work one queue off on a store, and each is killed once in the midst of it. Then every item is
// counted: in the queue, and in a file to which each job wrote a line.
import { execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { pinnedNode, root } from '../setup.mjs'

const CLI = join(root, 'apps/service/dist/cli.js')
/** The packages of the queue and the worker are found from here. */
const WHERE_PACKAGES_ARE = join(root, 'apps/service')
const DONE_WITHIN_MS = 300_000
const LEASE_TTL_MS = 3_000

const runProgram = promisify(execFile)

/** A configuration file for a store, and the command line with it. */
export class SluiceOnStore {
  dir = mkdtempSync(join(tmpdir(), 'sluice-on-store-'))
  #config = join(this.dir, 'sluice.config.json')

  constructor(store, more = {}) {
    const credentials = { accessKeyId: store.accessKeyId, secretAccessKey: store.secretAccessKey }
    const place = { bucket: store.bucket, endpoint: store.endpoint, region: 'us-east-1', credentials }
    const queue = { package: 's3', name: 'trial', prefix: `trial-${randomUUID()}`, ...place }
    writeFileSync(this.#config, JSON.stringify({ queue, ...more }))
  }

  /** Starts it in the background; what it says goes to a file. */
  start(args) {
    const log = openSync(join(this.dir, 'service.log'), 'a')
    return spawn(pinnedNode, this.#line(args), { cwd: WHERE_PACKAGES_ARE, stdio: ['ignore', log, log] })
  }

  /** Runs it to its end. */
  async run(args) {
    try {
      const options = { cwd: WHERE_PACKAGES_ARE, maxBuffer: 2 ** 26 }
      const { stdout } = await runProgram(pinnedNode, this.#line(args), options)
      return { code: 0, stdout, stderr: '' }
    } catch (error) {
      if (typeof error.code !== 'number') throw error
      return { code: error.code, stdout: error.stdout, stderr: error.stderr }
    }
  }

  close() {
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 })
  }

  #line(args) {
    return [CLI, ...args, '--config', this.#config]
  }
}

/**
 * @returns {Promise<{ items: number, lost: number, doubled: number, kills: number, seconds: number, wrong:
 * string[] }>}
 */
export async function runTwoServices(store, { items = 200 } = {}) {
  const jobs = mkdtempSync(join(tmpdir(), 'sluice-jobs-'))
  const lines = join(jobs, 'lines')
  const sluice = new SluiceOnStore(store, configuration(jobs, lines))
  const started = performance.now()
  const services = []
  try {
    const manifest = join(sluice.dir, 'manifest.jsonl')
    const ids = Array.from({ length: items }, (_, index) => `item-${index}`)
    writeFileSync(manifest, ids.map((id) => `${JSON.stringify({ id, body: {} })}\n`).join(''))
    await succeed(sluice, ['load', manifest])
    const ranAt = (share) => untilLines(lines, items * share)
    services.push(sluice.start(['run']))
    await ranAt(0.05)
    services.push(sluice.start(['run']))
    await ranAt(0.25)
    await kill(services[0])
    await ranAt(0.5)
    services.push(sluice.start(['run']))
    await ranAt(0.6)
    await kill(services[1])
    // Without a process for each look, which would take the machine from the jobs.
    await ranAt(1)
    await untilSettled(sluice)
    const wrong = await compare(sluice, { ids, lines })
    return { items, kills: 2, seconds: Math.round((performance.now() - started) / 1_000), ...wrong }
  } finally {
    for (const service of services) await kill(service, 'SIGTERM')
    sluice.close()
    rmSync(jobs, { recursive: true, force: true, maxRetries: 3 })
  }
}

function configuration(jobs, lines) {
  const command = ['sh', '-c', 'sleep 0.2; echo "$1 $2" >> "$3"', 'sh', '{id}', '{attempt}', lines]
  return {
    worker: { package: 'process', command, dir: join(jobs, 'jobs') },
    processing: { limit: 10 },
    service: { intervalMs: 500, leaseTtlMs: LEASE_TTL_MS },
  }
}

async function succeed(sluice, args) {
  const { code, stdout, stderr } = await sluice.run(args)
  if (code !== 0) throw new Error(`sluice ${args[0]} ended with ${code}: ${stderr}`)
  return stdout
}

async function untilLines(file, count) {
  await until(() => linesOf(file).length >= count, `${count} jobs to run`)
}

async function untilSettled(sluice) {
  await until(async () => {
    const { sizes } = JSON.parse(await succeed(sluice, ['status', '--json']))
    return sizes.WAITING + sizes.PROCESSING === 0
  }, 'every item to be settled')
}

async function until(isSo, what) {
  const giveUpAt = Date.now() + DONE_WITHIN_MS
  while (!(await isSo())) {
    if (Date.now() > giveUpAt) throw new Error(`waited ${DONE_WITHIN_MS} ms for ${what}`)
    await pause(200)
  }
}

function linesOf(file) {
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8').split('\n').slice(0, -1)
}

async function kill(service, signal = 'SIGKILL') {
  if (service.exitCode !== null || service.signalCode !== null) return
  const ended = once(service, 'exit')
  service.kill(signal)
  await ended
}

/**
 * Each item is in SUCCESS after its first attempt that counts, and its job ran once: on a busy machine a
 * service may lose its lease, and release what it has claimed and not sent.
 */
async function compare(sluice, { ids, lines }) {
  const report = await succeed(sluice, ['report', '--columns', 'stage,attempt', '--format', 'jsonl'])
  const rows = report
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const ends = new Map()
  for (const { id, stage, attempt } of rows) {
    const { uncounted } =
      attempt > 1 ? JSON.parse(await succeed(sluice, ['show', id, '--json'])) : { uncounted: 0 }
    ends.set(id, `${stage},${attempt - uncounted}`)
  }
  const ran = new Map()
  for (const line of linesOf(lines)) ran.set(line.split(' ')[0], (ran.get(line.split(' ')[0]) ?? 0) + 1)
  const lost = ids.filter((id) => !ran.has(id) || ends.get(id) !== 'SUCCESS,1')
  const doubled = ids.filter((id) => (ran.get(id) ?? 0) > 1)
  const foreign = [...ends.keys(), ...ran.keys()].filter((id) => !ids.includes(id))
  const wrong = [
    ...lost.map((id) => `${id} ran ${ran.get(id) ?? 0} times and is in ${ends.get(id)}`),
    ...doubled.map((id) => `${id} ran ${ran.get(id)} times`),
    ...foreign.map((id) => `${id} was never put`),
  ]
  return { lost: lost.length, doubled: doubled.length, wrong }
}
