// What starts a foreign server for a test: a free port, a process group that ends with this
// process, a bucket, and the environment in which the tests look for it.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

export const ACCESS_KEY = 'SLUICETESTKEY'
export const SECRET_KEY = 'sluice-test-secret'
export const BUCKET = 'sluice-test'
const READY_WITHIN_MS = 90_000
const STOP_WITHIN_MS = 5_000
const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** A store that runs, as the tests address it. */
export class RunningStore {
  endpoint
  accessKeyId = ACCESS_KEY
  secretAccessKey = SECRET_KEY
  bucket = BUCKET
  /** Its name in `s3Stores` of the fake, where its ways are known. */
  store
  #processes
  #dir

  constructor({ port, store, processes, dir }) {
    this.endpoint = `http://127.0.0.1:${port}`
    this.store = store
    this.#processes = processes
    this.#dir = dir
  }

  async stop() {
    await this.#processes.stop()
    rmSync(this.#dir, { recursive: true, force: true, maxRetries: 3 })
  }
}

/**
 * Starts one program on a free port with a folder of its own, and makes the bucket.
 *
 * @param {{ id: string, store?: string, command: (place: { port: number, dir: string, freePort: () =>
 * Promise<number> }) => Promise<{ line: string[], env?: Record<string, string> }> }} server
 * @returns {Promise<RunningStore>}
 */
export async function startOnLoopback(server) {
  const dir = mkdtempSync(join(tmpdir(), `sluice-${server.id}-`))
  const processes = new ProcessGroups(dir)
  try {
    const port = await freePort()
    const { line, env } = await server.command({ port, dir, freePort })
    processes.start(line, env)
    const running = new RunningStore({ port, store: server.store ?? 'aws', processes, dir })
    await processes.untilItWorks(() => createBucket(running.endpoint))
    return running
  } catch (error) {
    const tail = processes.logTail()
    await processes.stop()
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 })
    throw new Error(`${server.id} did not start: ${error.message}${tail}`, { cause: error })
  }
}

/** Programs in the foreground of ours, each with all that it starts in a process group of its own. */
class ProcessGroups {
  #dir
  #started = []
  #killAtExit = () => {
    this.#kill('SIGKILL')
    rmSync(this.#dir, { recursive: true, force: true, maxRetries: 3 })
  }

  constructor(dir) {
    this.#dir = dir
    process.once('exit', this.#killAtExit)
  }

  start(line, env = {}) {
    const output = openSync(join(this.#dir, 'server.out'), 'a')
    // Where there is setpriv, the kernel ends the program with us, even when we are killed outright.
    const whole = existsSync('/usr/bin/setpriv') ? ['setpriv', '--pdeathsig', 'KILL', ...line] : line
    const [file, ...args] = whole
    const child = spawn(file, args, {
      cwd: this.#dir,
      env: { ...process.env, ...env },
      stdio: ['ignore', output, output],
      detached: true,
    })
    const ended = new Promise((done) => {
      child.once('exit', done)
      child.once('error', done)
    })
    this.#started.push({ program: line[0], child, ended })
  }

  async stop() {
    process.removeListener('exit', this.#killAtExit)
    this.#kill('SIGTERM')
    const ended = Promise.all(this.#started.map(({ ended: each }) => each))
    await Promise.race([ended, delay(STOP_WITHIN_MS)])
    // What the program started may outlive it: the group is killed in any case.
    this.#kill('SIGKILL')
    await ended
  }

  /** Again and again until it works, or the program has died, or it has taken too long. */
  async untilItWorks(action) {
    const giveUpAt = Date.now() + READY_WITHIN_MS
    for (;;) {
      const dead = this.#started.find(({ child }) => child.exitCode !== null)
      if (dead !== undefined) throw new Error(`${dead.program} ended with code ${dead.child.exitCode}`)
      try {
        return await action()
      } catch (error) {
        if (Date.now() > giveUpAt) throw error
        await delay(200)
      }
    }
  }

  logTail() {
    const file = join(this.#dir, 'server.out')
    if (!existsSync(file)) return ''
    return `\n${readFileSync(file, 'utf8').trim().split('\n').slice(-8).join('\n')}`
  }

  #kill(signal) {
    for (const { child } of this.#started) {
      if (child.pid === undefined) continue
      try {
        process.kill(-child.pid, signal)
      } catch (error) {
        if (error.code !== 'ESRCH') throw error
      }
    }
  }
}

/** A free port. The testkit is imported late: a list of servers needs no build. */
export async function freePort() {
  const server = await import('../../packages/testkit/dist/server.js')
  return server.freePort()
}

/** The SDK with the credentials of {@link RunningStore}. */
export function s3Client(endpoint, options = {}) {
  // What the SDK has to say about Node 20 is nothing to a script that makes one bucket.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
  // It is a dependency of the S3 queue, not of the root.
  const require = createRequire(join(root, 'packages/queue-s3/package.json'))
  const sdk = require('@aws-sdk/client-s3')
  const credentials = { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY }
  const client = new sdk.S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials,
    ...options,
  })
  return { client, sdk }
}

export async function createBucket(endpoint) {
  const { client, sdk } = s3Client(endpoint)
  try {
    await client.send(new sdk.CreateBucketCommand({ Bucket: BUCKET }))
  } catch (error) {
    if (error.name !== 'BucketAlreadyOwnedByYou') throw error
  } finally {
    client.destroy()
  }
}

/** The environment that tests read. */
export function storeEnvironment(store) {
  return {
    SLUICE_TEST_S3_ENDPOINT: store.endpoint,
    SLUICE_TEST_S3_ACCESS_KEY: store.accessKeyId,
    SLUICE_TEST_S3_SECRET_KEY: store.secretAccessKey,
    SLUICE_TEST_S3_BUCKET: store.bucket,
    // Which store it is, for the tests to know its ways.
    SLUICE_TEST_S3_STORE: store.store,
  }
}

/**
 * Runs `command` with the environment of a store, or prints that environment and stays until Ctrl-C; the
 * store is stopped afterwards.
 */
export async function withStore(start, command) {
  // Until the store runs, a signal ends this process, and the store with it.
  const interrupted = { handle: () => process.exit(1) }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => interrupted.handle(name))
  const store = await start()
  const environment = storeEnvironment(store)
  try {
    if (command.length > 0) process.exitCode = await runCommand(command, { environment, interrupted })
    else {
      for (const [name, value] of Object.entries(environment)) console.log(`export ${name}=${value}`)
      await untilInterrupted(interrupted)
    }
  } finally {
    await store.stop()
  }
}

function runCommand([file, ...args], { environment, interrupted }) {
  const child = spawn(file, args, { stdio: 'inherit', env: { ...process.env, ...environment } })
  // The store is stopped after the command. Ctrl-C reaches the command by itself.
  interrupted.handle = (name) => name !== 'SIGINT' && child.kill(name)
  return new Promise((done, failed) => {
    child.once('error', failed)
    child.once('exit', (code) => done(code ?? 1))
  })
}

function untilInterrupted(interrupted) {
  return new Promise((done) => {
    interrupted.handle = () => done()
  })
}
