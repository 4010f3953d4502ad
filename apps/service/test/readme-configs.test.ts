import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HOLDUP_CODES } from '@sluice/engine'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../src/config/load-config.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))

interface Block {
  readonly name: string
  readonly text: string
}

/** Each block of the documentation that is a configuration, whole or in part: it has a `queue` or a `worker`. */
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

test('there are configurations in the documentation', () => {
  expect(found.map(({ name }) => name.split(':')[0])).toEqual(
    expect.arrayContaining(['README.md', 'apps/service/README.md', 'docs/s3-getting-started.md']),
  )
})

test.each(found)(
  '$name is a configuration that is taken, with options that its packages take',
  async ({ text }) => {
    const whole = /^queue:/m.test(text) ? text : `queue: { package: memory, name: any }\n${text}`
    await writeFile(join(folder, 'sluice.config.yaml'), whole)
    const { config, warnings } = await loadConfig({ cwd: folder, env: envOf(text), flags: [] })
    expect(warnings).toEqual([])
    const { queue, worker } = config
    await assertTaken(`queue-${queue.package}`, queue)
    if (worker !== undefined) await assertTaken(`worker-${worker.package}`, { ...worker, name: queue.name })
  },
)

/** A value for each variable that the block names. */
function envOf(text: string): Record<string, string> {
  const names = [...text.matchAll(/\benv: (\w+)/g)].map(([, name = '']) => name)
  return Object.fromEntries(
    names.map((name) => [name, name.endsWith('URL') ? 'postgres://user@host/database' : 'x']),
  )
}

async function assertTaken(short: string, settings: Readonly<Record<string, unknown>>): Promise<void> {
  const options = Object.fromEntries(Object.entries(settings).filter(([name]) => name !== 'package'))
  const loaded: unknown = await import(`@sluice/${short}`)
  const schema: unknown = Reflect.get(Object(loaded), 'optionsSchema')
  const validate: unknown = Reflect.get(Object(Reflect.get(Object(schema), '~standard')), 'validate')
  if (typeof validate !== 'function') throw new Error(`@sluice/${short} has no schema`)
  expect(await validate(options)).toMatchObject({ value: expect.anything() })
}

test('the README says of every code of a holdup what it means', () => {
  const readme = readFileSync(join(root, 'apps/service/README.md'), 'utf8')
  expect(HOLDUP_CODES.filter((code) => !readme.includes(`\`${code}\``))).toEqual([])
})
