// What the compiler tells a user: the packages as they would be published, in an empty project, under
// `strict` with either way of module resolution, and without the checks beyond it. Programs that are right
// compile, and each mistake is found: a `@ts-expect-error` above a line without an error is one itself.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { cleanEnvironment, fail, pinnedNode, root, say } from './setup.mjs'

const PACKAGES = [
  'core',
  'engine',
  'queue-memory',
  'queue-sql',
  'queue-s3',
  'worker-dummy',
  'worker-process',
  'worker-argo',
]

const TYPED = `
import { eachItem, isSluiceError, type Queue, type QueueItem } from '@sluice/core'
import { WorkQueue } from '@sluice/engine'
import { openQueue as openMemory } from '@sluice/queue-memory'
import { openQueue as openS3 } from '@sluice/queue-s3'
import { openQueue as openSql } from '@sluice/queue-sql'
import { openWorker as openArgo } from '@sluice/worker-argo'
import { openWorker } from '@sluice/worker-dummy'
import { openWorker as openProcess } from '@sluice/worker-process'
import { z } from 'zod'

interface Tile {
  url: string
  zoom?: number
}

export async function typed(): Promise<void> {
  const queue: Queue<Tile, { bytes: number }> = await openMemory<Tile, { bytes: number }>({ name: 'tiles' })
  await queue.put('a', { url: 'x' })
  const [item]: QueueItem<Tile>[] = await queue.get(1)
  const url: string | undefined = item?.body.url
  await queue.success('a', { result: { bytes: 12 } })
  for await (const { result } of eachItem(queue, 'SUCCESS')) console.log(result?.bytes, url)
  const worker = await openWorker<Tile>({ name: 'tiles' })
  await using workQueue = new WorkQueue<Tile>({ queue, worker })
  await workQueue.run({ intervalMs: 20, signal: AbortSignal.timeout(1) })

  // @ts-expect-error a wrong body
  await queue.put('a', { url: 5 })
  // @ts-expect-error a wrong result
  await queue.success('a', { result: { bytes: 'many' } })
  // @ts-expect-error a field that there is not
  console.log(item?.body.path)
  // @ts-expect-error a worker of another body
  console.log(new WorkQueue<Tile>({ queue, worker: await openWorker<{ n: number }>({ name: 'tiles' }) }))
  // A worker of any JSON takes a Tile, too.
  console.log(new WorkQueue({ queue, worker: await openWorker({ name: 'tiles' }) }))
  console.log(new WorkQueue({ queue, worker: await openProcess({ name: 'tiles', dir: 'jobs', command: ['a'] }) }))
}

export async function options(): Promise<void> {
  await openSql({ name: 'tiles', url: 'sqlite:tiles.db' })
  await openS3({ name: 'tiles', bucket: 'maps' })
  await openArgo({ name: 'tiles', baseUrl: 'https://argo', namespace: 'argo', template: 'render' })
  await openProcess({ name: 'tiles', dir: 'jobs', command: ['render', '{id}'] })
  // @ts-expect-error an option that there is not
  await openSql({ name: 'tiles', url: 'sqlite:tiles.db', bucket: 'maps' })
  // @ts-expect-error an option of another type
  await openSql({ name: 'tiles', url: 5432 })
  // @ts-expect-error an option that is missing
  await openS3({ name: 'tiles' })
  // @ts-expect-error an option that is missing
  await openArgo({ name: 'tiles', baseUrl: 'https://argo' })
  // @ts-expect-error an option of another type
  await openProcess({ name: 'tiles', dir: 'jobs', command: 5 })
}

export async function schema(): Promise<void> {
  const body = z.object({ url: z.string(), at: z.iso.datetime().transform((text) => new Date(text)) })
  const queue = await openSql({ name: 'tiles', url: 'sqlite::memory:', body })
  await queue.put('a', { url: 'x', at: '2026-11-30T12:00:00Z' })
  const at: Date | undefined = (await queue.get(1))[0]?.body.at
  const stored: string | undefined = (await queue.lookup('a'))?.body.at
  console.log(at, stored)
  // @ts-expect-error a Date is what the schema gives, and not what it takes
  await queue.put('b', { url: 'x', at: new Date() })
}

export function codes(error: unknown): string | undefined {
  // @ts-expect-error there is no such code
  if (isSluiceError(error, 'SLUICE_NO_SUCH_CODE')) return undefined
  return isSluiceError(error, 'SLUICE_ITEM_EXISTS') ? error.itemId : undefined
}

// @ts-expect-error a Date comes back as a string
export const date = () => openMemory<{ at: Date }>({ name: 'a' })
// @ts-expect-error unknown may be anything
export const anything = () => openMemory<{ more: unknown }>({ name: 'a' })
`

const SETTINGS = {
  nodenext: { module: 'nodenext', moduleResolution: 'nodenext' },
  bundler: { module: 'esnext', moduleResolution: 'bundler' },
  'strict alone': {
    module: 'nodenext',
    exactOptionalPropertyTypes: false,
    noUncheckedIndexedAccess: false,
  },
}

const require = createRequire(join(root, 'packages/core/package.json'))
const home = mkdtempSync(join(tmpdir(), 'sluice-user-types-'))
process.on('exit', () => rmSync(home, { recursive: true, force: true }))

say('packing and installing the packages')
install()
const programs = { 'typed.ts': TYPED, ...readmePrograms() }
for (const [name, text] of Object.entries(programs)) writeFileSync(join(home, name), text)
let failed = 0
for (const [name, settings] of Object.entries(SETTINGS)) failed += compile(name, settings) ? 0 : 1
console.log(`tests: ${Object.keys(SETTINGS).length - failed} passed, ${failed} failed, 0 skipped`)
process.exitCode = failed === 0 ? 0 : 1

function install() {
  const tarballs = join(home, 'tarballs')
  mkdirSync(tarballs)
  execFileSync(pinnedNode, [join(root, 'scripts/pack.mjs'), tarballs, ...PACKAGES], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...cleanEnvironment(), SLUICE_BUILT: '1' },
  })
  writeFileSync(
    join(home, 'package.json'),
    JSON.stringify({ name: 'my-project', private: true, type: 'module' }),
  )
  const versions = ['zod', 'typescript', '@types/node'].map((name) => `${name}@${versionOf(name)}`)
  const files = execFileSync('ls', [tarballs], { encoding: 'utf8' }).trim().split('\n')
  const npm = ['install', '--no-audit', '--no-fund', '--loglevel=error', ...versions]
  execFileSync('npm', [...npm, ...files.map((file) => join(tarballs, file))], {
    cwd: home,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: cleanEnvironment({ PATH: `${dirname(pinnedNode)}${delimiter}${process.env.PATH}` }),
  })
}

function versionOf(name) {
  const from = name === 'zod' ? createRequire(join(root, 'packages/queue-memory/package.json')) : require
  return from(`${name}/package.json`).version
}

/** The programs of the README, each a file of its own. */
function readmePrograms() {
  const blocks = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/```js\n([\s\S]*?)```/gu)]
  if (blocks.length === 0) fail('the README has no program')
  return Object.fromEntries(blocks.map(([, text], index) => [`readme-${index}.ts`, `${text}\nexport {}\n`]))
}

function compile(name, settings) {
  const compilerOptions = {
    target: 'es2023',
    lib: ['es2024', 'esnext.disposable'],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noEmit: true,
    types: ['node'],
    ...settings,
  }
  const project = join(home, `tsconfig.${name.replaceAll(' ', '-')}.json`)
  writeFileSync(project, JSON.stringify({ compilerOptions, files: Object.keys(programs) }))
  const tsc = join(home, 'node_modules/typescript/bin/tsc')
  const { status, stdout } = spawnSync(pinnedNode, [tsc, '-p', project], { cwd: home, encoding: 'utf8' })
  say(`${name}: ${status === 0 ? 'right programs compile, and wrong ones do not' : 'FAILED'}`)
  if (status !== 0) console.error(stdout)
  return status === 0
}
