import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HOLDUP_CODES } from '@sluice/engine'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load-config.js'
import { openWorkerPackage } from '../../src/packages/open-package.js'
import { retryWarnings, type RetryFacts } from '../../src/run/retry-options.js'

const root = fileURLToPath(new URL('../../../..', import.meta.url))

interface Block {
  readonly name: string
  readonly text: string
}

/**
 * Each block of the documentation that is a configuration, whole or in part: it has a `queue` or a `worker`.
 */
function blocks(): Block[] {
  const documents = execFileSync('git', ['ls-files', '*.md'], { cwd: root, encoding: 'utf8' })
    .trim()
    .split('\n')
  return documents.flatMap((document) => {
    const text = readFileSync(join(root, document), 'utf8')
    return [...text.matchAll(/^```ya?ml\n([^]*?)^```$/gm)].flatMap(({ index, 1: block = '' }): Block[] => {
      const name = `${document}:${text.slice(0, index).split('\n').length}`
      return /^(?:queue|worker):/m.test(block) ? [{ name, text: block }] : []
    })
  })
}

const found = blocks()
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-configs-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('the documentation has configurations', () => {
  expect(found.map(({ name }) => name.split(':')[0])).toEqual(
    expect.arrayContaining(['README.md', 'apps/service/README.md', 'docs/s3-getting-started.md']),
  )
})

test.each(found)('$name is a valid configuration, with valid options of its packages', async ({ text }) => {
  const whole = /^queue:/m.test(text) ? text : `queue: { package: memory, name: any }\n${text}`
  await writeFile(join(folder, 'sluice.config.yaml'), whole)
  const loaded = await loadConfig({ cwd: folder, env: envOf(text), flags: [] })
  expect(loaded.warnings).toEqual([])
  const { queue, worker } = loaded.config
  // What the documentation shows of retries must be of use: with any worker where it names none.
  const supports = worker === undefined ? {} : await supportsOf(worker.package)
  expect(retryWarnings({ ...loaded, ...supports })).toEqual([])
  await assertTaken(`queue-${queue.package}`, queue)
  if (worker !== undefined) await assertTaken(`worker-${worker.package}`, { ...worker, name: queue.name })
})

/** A value for each variable that the block names. */
function envOf(text: string): Record<string, string> {
  const names = [...text.matchAll(/\benv: (\w+)/g)].map(([, name = '']) => name)
  return Object.fromEntries(
    names.map((name) => [name, name.endsWith('URL') ? 'postgres://user@host/database' : 'x']),
  )
}

/** Such as is needed to hold rules against a worker: what it says of itself, whatever its options. */
async function supportsOf(short: string): Promise<Pick<RetryFacts, 'supports'>> {
  const context = { baseDirs: [folder] }
  const name = { name: 'tiles' }
  const own = { baseUrl: 'http://127.0.0.1:9', namespace: 'argo', template: 't', token: 't' }
  const options = short === 'argo' ? own : short === 'process' ? { command: ['true'], dir: folder } : {}
  const worker = await openWorkerPackage({ package: short, ...name, ...options }, context)
  await worker.close()
  return { supports: worker.supports }
}

async function assertTaken(short: string, settings: Readonly<Record<string, unknown>>): Promise<void> {
  const options = Object.fromEntries(Object.entries(settings).filter(([name]) => name !== 'package'))
  const loaded: unknown = await import(`@sluice/${short}`)
  const schema: unknown = Reflect.get(Object(loaded), 'optionsSchema')
  const validate: unknown = Reflect.get(Object(Reflect.get(Object(schema), '~standard')), 'validate')
  if (typeof validate !== 'function') throw new Error(`@sluice/${short} has no schema`)
  expect(await validate(options)).toMatchObject({ value: expect.anything() })
}

test('the README explains every holdup code', () => {
  const readme = readFileSync(join(root, 'apps/service/README.md'), 'utf8')
  expect(HOLDUP_CODES.filter((code) => !readme.includes(`\`${code}\``))).toEqual([])
})
