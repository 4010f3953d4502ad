// Ceph's S3 gateway out of Debian's own packages, in memory and on the loopback, for the tests that want a
// real store.
//   node scripts/radosgw.mjs                 starts it, prints how to reach it, and stays until Ctrl-C
//   node scripts/radosgw.mjs -- COMMAND …    runs COMMAND with SLUICE_TEST_S3_ENDPOINT, …_ACCESS_KEY, …_SECRET_KEY, …_BUCKET and …_STORE set
// As a module: `const store = await startRadosgw(); …; await store.stop()`. `npm run check -- radosgw` runs
// all there is for it.
import { execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ACCESS_KEY, BUCKET, SECRET_KEY, createBucket, freePort, withStore } from './s3-servers/loopback.mjs'

const PROGRAMS = ['radosgw', 'radosgw-admin', 'ceph', 'ceph-mon', 'ceph-osd', 'monmaptool']
const PACKAGES = ['radosgw', 'ceph-mon', 'ceph-osd']
const READY_WITHIN_MS = 90_000

const run = promisify(execFile)

/**
 * Starts a gateway with a bucket of its own in it. Needs Debian's packages `radosgw ceph-mon ceph-osd`, and
 * installs them when they are missing and this user is root.
 *
 * @param {{ log?: (line: string) => void }} [options]
 * @returns {Promise<{ endpoint: string, accessKeyId: string, secretAccessKey: string, bucket: string, store:
 * string, stop(): Promise<void> }>}
 */
export async function startRadosgw({ log = () => {} } = {}) {
  await installPrograms(log)
  const cluster = new Cluster(mkdtempSync(join(tmpdir(), 'sluice-radosgw-')))
  try {
    const [monPort, port] = [await freePort(), await freePort()]
    log('starting a Ceph cluster in memory')
    await cluster.start(monPort, port)
    const endpoint = `http://127.0.0.1:${port}`
    await createUser(cluster)
    await createBucket(endpoint)
    return {
      endpoint,
      accessKeyId: ACCESS_KEY,
      secretAccessKey: SECRET_KEY,
      bucket: BUCKET,
      store: 'radosgw16',
      stop: () => cluster.stop(),
    }
  } catch (error) {
    const tail = cluster.logTail()
    await cluster.stop()
    throw new Error(`radosgw did not start: ${error.message}${tail}`, { cause: error })
  }
}

/**
 * Monitor, object store and gateway, each a process in the foreground of ours, with all their files in one
 * directory.
 */
class Cluster {
  #dir
  #conf
  #processes = []
  #killAtExit = () => {
    this.#kill('SIGKILL')
    rmSync(this.#dir, { recursive: true, force: true, maxRetries: 3 })
  }

  constructor(dir) {
    this.#dir = dir
    this.#conf = join(dir, 'ceph.conf')
    process.once('exit', this.#killAtExit)
  }

  async start(monPort, port) {
    const fsid = randomUUID()
    this.#writeConfiguration({ fsid, monPort, port })
    const map = join(this.#dir, 'monmap')
    // The second version of the protocol refuses a gateway without keys (EACCES), whatever `auth … required =
    // none` says.
    const address = `[v1:127.0.0.1:${monPort}]`
    await this.tool('monmaptool', [
      '--create',
      '--addv',
      'a',
      address,
      '--fsid',
      fsid,
      '--enable-all-features',
      '--clobber',
      map,
    ])
    await this.tool('ceph-mon', ['-i', 'a', '--mkfs', '--monmap', map])
    this.#spawn('ceph-mon', ['-i', 'a', '-f'])
    const uuid = randomUUID()
    const id = (await this.#untilItWorks(() => this.tool('ceph', ['osd', 'new', uuid]))).trim()
    mkdirSync(join(this.#dir, `osd-${id}`), { recursive: true })
    await this.tool('ceph-osd', ['-i', id, '--mkfs', '--osd-uuid', uuid])
    await this.tool('ceph', ['osd', 'crush', 'add', `osd.${id}`, '1', 'root=default', 'host=localhost'])
    this.#spawn('ceph-osd', ['-i', id, '-f'])
    this.#spawn('radosgw', ['-n', 'client.rgw', '-f'])
    await this.#untilItWorks(() => fetch(`http://127.0.0.1:${port}/`))
  }

  /** Runs one of Ceph's programs on this cluster to its end, and gives what it wrote. */
  async tool(program, args) {
    const { stdout } = await run(
      program,
      ['-c', this.#conf, ...args].slice(program === 'monmaptool' ? 2 : 0),
      {
        timeout: 30_000,
      },
    )
    return stdout
  }

  async stop() {
    process.removeListener('exit', this.#killAtExit)
    this.#kill('SIGTERM')
    const ended = Promise.all(this.#processes.map(({ ended }) => ended))
    // The object store in memory has nothing to save: it needs no longer than this.
    if ((await Promise.race([ended, delay(2_000, 'late')])) === 'late') this.#kill('SIGKILL')
    await ended
    rmSync(this.#dir, { recursive: true, force: true })
  }

  logTail() {
    const files = ['ceph-mon', 'ceph-osd', 'radosgw'].map((name) => join(this.#dir, `${name}.out`))
    const texts = files.filter((file) => existsSync(file)).map((file) => readFileSync(file, 'utf8').trim())
    const tail = texts.filter((text) => text !== '').map((text) => text.split('\n').slice(-5).join('\n'))
    return tail.length === 0 ? '' : `\n${tail.join('\n')}`
  }

  #spawn(program, args) {
    const output = openSync(join(this.#dir, `${program}.out`), 'a')
    const line = [program, '-c', this.#conf, ...args]
    // Where there is setpriv, the kernel ends the daemons with us, even when we are killed outright.
    const [file, ...rest] = existsSync('/usr/bin/setpriv')
      ? ['setpriv', '--pdeathsig', 'KILL', ...line]
      : line
    const child = spawn(file, rest, { stdio: ['ignore', output, output] })
    const ended = new Promise((done) => {
      child.once('exit', done)
      child.once('error', done)
    })
    this.#processes.push({ program, child, ended })
  }

  #kill(signal) {
    for (const { child } of this.#processes) {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    }
  }

  /** Again and again until it works, or a process of ours has died, or it has taken too long. */
  async #untilItWorks(action) {
    const giveUpAt = Date.now() + READY_WITHIN_MS
    for (;;) {
      const dead = this.#processes.find(({ child }) => child.exitCode !== null)
      if (dead !== undefined) throw new Error(`${dead.program} ended with code ${dead.child.exitCode}`)
      try {
        return await action()
      } catch (error) {
        if (Date.now() > giveUpAt) throw error
        await delay(200)
      }
    }
  }

  #writeConfiguration({ fsid, monPort, port }) {
    const lines = [
      '[global]',
      `fsid = ${fsid}`,
      `mon host = [v1:127.0.0.1:${monPort}]`,
      'auth cluster required = none',
      'auth service required = none',
      'auth client required = none',
      'osd pool default size = 1',
      'osd pool default min size = 1',
      'osd pool default pg num = 4',
      'osd crush chooseleaf type = 0',
      'mon allow pool size one = true',
      // What it would tell the monitor at its start has been told; it may do so before it knows the cluster,
      // and die of the refusal.
      'osd class update on start = false',
      'osd crush update on start = false',
      'osd objectstore = memstore',
      'memstore device bytes = 2147483648',
      'public addr = 127.0.0.1',
      'cluster addr = 127.0.0.1',
      `run dir = ${this.#dir}`,
      `log file = ${this.#dir}/$name.log`,
      `mon data = ${this.#dir}/mon-$id`,
      `osd data = ${this.#dir}/osd-$id`,
      `admin socket = ${this.#dir}/$name.asok`,
      '[client.rgw]',
      // Without tcp_nodelay each answer with a body waits 40 ms for the other side's delayed acknowledgement.
      `rgw frontends = beast endpoint=127.0.0.1:${port} tcp_nodelay=1`,
    ]
    writeFileSync(this.#conf, `${lines.join('\n')}\n`)
  }
}

async function createUser(cluster) {
  await cluster.tool('radosgw-admin', [
    '-n',
    'client.rgw',
    'user',
    'create',
    '--uid=sluice',
    '--display-name=sluice',
    `--access-key=${ACCESS_KEY}`,
    `--secret-key=${SECRET_KEY}`,
  ])
}

/**
 * Why the gateway can't be started here, or `undefined` where it can: its programs are there, or this user
 * may install them.
 */
export function whyNoRadosgw() {
  const missing = missingPrograms()
  if (missing.length === 0 || mayInstall()) return undefined
  return `${missing.join(', ')} not found. On Debian, as root: apt-get install -y --no-install-recommends ${PACKAGES.join(' ')}`
}

async function installPrograms(log) {
  if (missingPrograms().length === 0) return
  const why = whyNoRadosgw()
  if (why !== undefined) throw new Error(`Can't start radosgw: ${why}`)
  await installPackages(PACKAGES, log)
}

/** Debian's packages, if this user may install them; else nothing happens. */
export async function installPackages(packages, log) {
  if (!mayInstall()) return
  log(`installing ${packages.join(', ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  await run('apt-get', ['update'], { env, maxBuffer: 2 ** 26 })
  await run('apt-get', ['install', '-y', '--no-install-recommends', ...packages], { env, maxBuffer: 2 ** 26 })
}

function missingPrograms() {
  return PROGRAMS.filter((program) => !isInstalled(program))
}

function mayInstall() {
  return process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')
}

function isInstalled(program) {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/bin', '/usr/sbin']
  return folders.some((folder) => existsSync(join(folder, program)))
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const args = process.argv.slice(2)
  const command = args[0] === '--' ? args.slice(1) : args
  await withStore(() => startRadosgw({ log: (line) => console.error(`radosgw: ${line}`) }), command)
}
