import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { startFake, type FakeTally, type RunningFake } from './argo-fake.ts'
import { outputOf } from './child.ts'
import { removeFolder, temporaryFolder } from './temporary.ts'

const USAGE = pathToFileURL(join(import.meta.dirname, 'usage-at-exit.mjs')).href
const BARE = join(import.meta.dirname, 'argo-bare.ts')

/** One load of the service. */
export interface ArgoLoad {
  readonly items: number
  readonly cap: number
  /** How long each job takes. */
  readonly jobSeconds: number
}

/** What one run of the service on SQLite against a fake Argo Server cost. */
export interface ArgoRun {
  readonly perSecond: number
  /** CPU of the service's process for an item, its start included. */
  readonly cpuMs: number
  readonly peakMb: number
  readonly sendsPerSecond: number
  /** Requests for an item by kind. */
  readonly requests: Readonly<Record<string, number>>
  readonly requestsInAll: number
  readonly answerBytes: number
}

/** What the bare loop of submits did: the limit for sends. */
export interface BareRun {
  readonly perSecond: number
  /** CPU of its process for a submit. */
  readonly cpuMs: number
}

/** The bare loop, against a server of its own. */
export async function runBare({ items, jobSeconds }: ArgoLoad): Promise<BareRun> {
  return withFake(async ({ url, token }) =>
    JSON.parse(await outputOf([BARE, url, token, String(items), String(jobSeconds)])),
  )
}

/** The service of a checkout that is built: the load from the first claim until every item has succeeded. */
export async function runArgo(checkout: string, load: ArgoLoad): Promise<ArgoRun> {
  const dir = temporaryFolder('argo')
  try {
    return await withFake(async (fake) => {
      const service = {
        cli: join(checkout, 'apps/service/dist/cli.js'),
        dir,
        flags: flagsOf(dir, fake, load),
      }
      await writeItems(join(dir, 'items.jsonl'), load)
      await sluice(service, ['load', 'items.jsonl'])
      const { wallMs, usage } = await sluice(service, ['run', '--until-empty', '--fail-if-failed'])
      const sizes: Readonly<Record<string, number>> = JSON.parse(await readStatus(service))
      if (sizes['SUCCESS'] !== load.items) throw new Error(`not all succeeded: ${JSON.stringify(sizes)}`)
      return resultOf(load, { wallMs, ...usage }, await fake.tally())
    })
  } finally {
    removeFolder(dir)
  }
}

async function withFake<T>(work: (fake: RunningFake) => Promise<T>): Promise<T> {
  const fake = await startFake()
  try {
    return await work(fake)
  } finally {
    await fake.close()
  }
}

interface Usage {
  readonly cpuMs: number
  readonly peakKiB: number
}

function resultOf(
  { items }: ArgoLoad,
  { wallMs, cpuMs, peakKiB }: Usage & { readonly wallMs: number },
  { requests, answerBytes, sendsPerSecond }: FakeTally,
): ArgoRun {
  const perItem = Object.entries(requests).map(([kind, count]) => [kind, count / items] as const)
  return {
    perSecond: (items * 1_000) / wallMs,
    cpuMs: cpuMs / items,
    peakMb: peakKiB * 1.024e-3,
    sendsPerSecond,
    requests: Object.fromEntries(perItem),
    requestsInAll: perItem.reduce((sum, [, each]) => sum + each, 0),
    answerBytes: answerBytes / items,
  }
}

function flagsOf(dir: string, { url, token }: RunningFake, { cap }: ArgoLoad): readonly string[] {
  const settings = {
    'queue.package': 'sql',
    'queue.name': 'bench',
    'queue.url': `sqlite:${join(dir, 'queue.db')}`,
    'worker.package': 'argo',
    'worker.baseUrl': url,
    'worker.namespace': 'argo',
    'worker.template': 'test-workflow-template-podless',
    'worker.token': token,
    'processing.limit': String(cap),
  }
  return Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`])
}

interface Cli {
  readonly cli: string
  readonly dir: string
  readonly flags: readonly string[]
}

/** What `PROFILE_ARGS` names is given to Node, such as `--cpu-prof`. */
async function sluice(
  { cli, dir, flags }: Cli,
  args: readonly string[],
): Promise<{ wallMs: number; usage: Usage; output: string }> {
  const usage = join(dir, 'usage.json')
  const profile = args[0] === 'run' ? (process.env['PROFILE_ARGS'] ?? '').split(' ').filter(Boolean) : []
  const startedAtMs = performance.now()
  const child = spawn(process.execPath, [...profile, '--import', USAGE, cli, ...args, '--json', ...flags], {
    cwd: dir,
    env: { PATH: process.env['PATH'], USAGE_FILE: usage },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stderr.pipe(createWriteStream(join(dir, 'log.txt')))
  const [output, [code]] = await Promise.all([child.stdout.toArray(), once(child, 'close')])
  const wallMs = performance.now() - startedAtMs
  if (code !== 0) {
    const log = await readFile(join(dir, 'log.txt'), 'utf8')
    throw new Error(`sluice ${args.join(' ')} of ${cli} ended with ${code}: ${log.slice(-2_000)}`)
  }
  return {
    wallMs,
    usage: JSON.parse(await readFile(usage, 'utf8')),
    output: Buffer.concat(output).toString(),
  }
}

async function readStatus(service: Cli): Promise<string> {
  const { output } = await sluice(service, ['status'])
  const { sizes }: { sizes: unknown } = JSON.parse(output)
  return JSON.stringify(sizes)
}

async function writeItems(path: string, { items, jobSeconds }: ArgoLoad): Promise<void> {
  const lines = Array.from({ length: items }, (_, index) => {
    const id = `item-${String(index).padStart(9, '0')}`
    return JSON.stringify({ id, body: { item: id, seconds: String(jobSeconds) } })
  })
  await writeFile(path, `${lines.join('\n')}\n`)
}
