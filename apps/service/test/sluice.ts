import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import type { main as sourceMain } from '../src/index.js'
import { CONFIG_FILES } from '../src/config/config-file.js'
import { SecretFinder, leakText, secretsIn, type Leak } from './secrets/find-secrets.js'

/** The built command line: what users run, and what these tests are about. */
export const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url))
const BUILT = new URL('../dist/index.js', import.meta.url).href

export interface Ended {
  readonly code: number | undefined
  readonly out: string
  readonly err: string
}

export interface Options {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string | Readable
  /** Where it runs; default the directory of the sandbox. */
  readonly cwd?: string
}

/** The stand-ins for S3 and Argo say which credentials they take: that is what they are asked for. */
const STAND_INS = new Set(['argo-fake', 's3-fake'])
/** Files that tests put secrets into, and what is no text of ours. */
const OF_TESTS = /^(?:sluice\.config\.|.*token|.*\.(?:pem|key|crt|m?js|ts)$)/u

/**
 * A directory of its own, and `sluice` run in it. Whatever a run is given as a secret, in its configuration file, arguments or variables, must be in nothing that it
 * writes: {@link Sandbox.close} throws where it is.
 */
export class Sandbox {
  readonly dir: string
  readonly #finder = new SecretFinder()
  readonly #written: { readonly place: string; readonly text: () => string }[] = []

  private constructor(dir: string) {
    this.dir = dir
  }

  static async open(): Promise<Sandbox> {
    return new Sandbox(await mkdtemp(join(tmpdir(), 'sluice-cli-')))
  }

  /** Starts it as a process and does not wait. */
  start(args: readonly string[], { env = {}, input, cwd = this.dir }: Options = {}) {
    const { PATH = '', HOME = '' } = process.env
    this.#learn(args, { env, cwd })
    const started = execa(process.execPath, [CLI, ...args], {
      cwd,
      // Nothing of the tests' own environment: a SLUICE_… or NO_COLOR of whoever runs them must not decide.
      env: { PATH, HOME, ...env },
      extendEnv: false,
      reject: false,
      input: input ?? '',
    })
    for (const name of ['stdout', 'stderr'] as const) {
      const chunks: Buffer[] = []
      started[name].on('data', (chunk: Buffer) => chunks.push(chunk))
      this.#keep(args, name, () => Buffer.concat(chunks).toString('utf8'))
    }
    return started
  }

  /** Runs it as a process of its own. */
  async spawn(args: readonly string[], options: Options = {}): Promise<Ended> {
    const { exitCode, stdout, stderr } = await this.start(args, options)
    return { code: exitCode, out: stdout, err: stderr }
  }

  /** Runs it as a process with a redirection of the shell, such as `> /dev/full`. */
  async redirected(redirection: string, args: readonly string[]): Promise<Pick<Ended, 'code' | 'err'>> {
    const { PATH = '', HOME = '' } = process.env
    const script = ['-c', `exec "$0" "$@" ${redirection}`, process.execPath, CLI, ...args]
    const { exitCode, stderr } = await execa('sh', script, {
      cwd: this.dir,
      env: { PATH, HOME },
      extendEnv: false,
      reject: false,
    })
    return { code: exitCode, err: stderr }
  }

  /** Runs the same built code within this process: a start takes its time, and hundreds of them minutes. */
  async run(args: readonly string[], { env = {}, input = '', cwd = this.dir }: Options = {}): Promise<Ended> {
    const { main }: { main: typeof sourceMain } = await import(BUILT)
    this.#learn(args, { env, cwd })
    const [stdout, stderr] = [new Collector(), new Collector()]
    this.#keep(args, 'stdout', () => stdout.text())
    this.#keep(args, 'stderr', () => stderr.text())
    const code = await main(args, {
      cwd,
      env,
      stdin: typeof input === 'string' ? Readable.from([Buffer.from(input)]) : input,
      stdout,
      stderr,
    })
    return { code, out: stdout.text(), err: stderr.text() }
  }

  /** Runs it with `--json` and gives the one value it prints. */
  async json(args: readonly string[], options: Options = {}): Promise<unknown> {
    const { code, out, err } = await this.run([...args, '--json'], options)
    if (code !== 0) throw new Error(`sluice ${args.join(' ')} ended with ${code}: ${err}`)
    return JSON.parse(out)
  }

  /** Searches for a secret that the rules for configurations don't find, and for its parts. */
  addCanary(secret: string): void {
    this.#finder.addCanary(secret)
  }

  /** What all runs have shown of the secrets that they were given, in their output and in the files that they wrote. */
  async leaks(): Promise<readonly Leak[]> {
    if (this.#finder.size === 0) return []
    const shown = this.#written.flatMap(({ place, text }) => this.#finder.find(place, text()))
    return [...shown, ...(await this.#finder.findInFiles(this.dir, (name) => OF_TESTS.test(name)))]
  }

  /** @throws Error where a secret of the configuration was shown */
  async close(): Promise<void> {
    const leaks = await this.leaks()
    await rm(this.dir, { recursive: true, force: true })
    if (leaks.length > 0) throw new Error(`secrets were shown:\n${leakText(leaks)}`)
  }

  #learn(
    args: readonly string[],
    { env, cwd }: { env: Readonly<Record<string, string>>; cwd: string },
  ): void {
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`)
    for (const text of [...args, ...variables, ...CONFIG_FILES.map((name) => readIfThere(join(cwd, name)))])
      for (const secret of secretsIn(text)) this.#finder.add(secret)
  }

  #keep(args: readonly string[], name: string, text: () => string): void {
    if (!args.some((arg) => STAND_INS.has(arg)))
      this.#written.push({ place: `${name} of sluice ${args[0] ?? ''}`, text })
  }
}

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

/** Resolves when the log says so; it only listens, so that the whole log is still there at the end. */
export function logged(stderr: Readable, msg: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let text = ''
  stderr.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    if (text.includes(`"msg":${JSON.stringify(msg)}`)) resolve()
  })
  stderr.once('close', () => reject(new Error(`the log ended without "${msg}":\n${text}`)))
  return promise
}

class Collector extends Writable {
  readonly #chunks: Buffer[] = []

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk)
    done()
  }

  /** As execa gives it: without the last line break. */
  text(): string {
    return Buffer.concat(this.#chunks).toString('utf8').replace(/\n$/, '')
  }
}
