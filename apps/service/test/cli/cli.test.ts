import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { OptionsSchema } from '@sluice/core'
import { optionsSchema as s3Options } from '@sluice/queue-s3'
import { optionsSchema as sqlOptions } from '@sluice/queue-sql'
import { optionsSchema as argoOptions } from '@sluice/worker-argo'
import { optionsSchema as processOptions } from '@sluice/worker-process'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load-config.js'
import { CLI, Sandbox } from '../fixtures/sandbox.js'

let box: Sandbox

beforeEach(async () => {
  box = await Sandbox.open()
})

afterEach(() => box.close())

/** The options of the packages that `sluice init` names. */
const SCHEMAS: Readonly<Record<string, OptionsSchema<unknown>>> = {
  sql: sqlOptions,
  s3: s3Options,
  process: processOptions,
  argo: argoOptions,
}
const MEMORY = { SLUICE_QUEUE_PACKAGE: 'memory', SLUICE_QUEUE_NAME: 'tiles' }

const COMMANDS = [
  'init',
  'check',
  'run',
  'load',
  'put',
  'status',
  'why',
  'ls',
  'show',
  'logs',
  'requeue',
  'cancel',
  'release',
  'rm',
  'sweep',
  'backup',
  'report',
  'pause',
  'resume',
  'limit',
  'policy',
  'queues',
  'drop',
  'verify',
  'demo',
  'argo-fake',
  's3-fake',
]

function commandsIn(help: string): string[] {
  const names = [...help.matchAll(/^ {2}([a-z][a-z0-9-]*)\b/gm)].map((match) => String(match[1]))
  return names.filter((name) => name !== 'help')
}

describe('help', () => {
  test('of the root names every command, the order of settings, and every exit code', async () => {
    const { code, out } = await box.run(['--help'])
    expect(code).toBe(0)
    expect(commandsIn(out)).toEqual(COMMANDS)
    const exits = [...out.matchAll(/^ {2}(\d+) +\S/gm)].map((match) => Number(match[1]))
    expect(exits).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130])
  })

  test('of each command has an example, its exit codes and the options of all', async () => {
    const helps = await Promise.all(COMMANDS.map((name) => box.run([name, '--help'])))
    const lacking = helps.filter(
      ({ code, out }) =>
        code !== 0 || !/\$ .*sluice/.test(out) || !out.includes('Exit codes:') || !out.includes('--json'),
    )
    expect(lacking).toEqual([])
  })

  test('without a command it is shown on stderr, exit 2', async () => {
    const { code, out, err } = await box.run([])
    expect([code, out]).toEqual([2, ''])
    expect(err).toContain('Usage: sluice')
  })

  test('--version is that of the package', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
    expect(await box.spawn(['--version'])).toEqual({ code: 0, out: version, err: '' })
  })
})

describe('usage errors end with 2 and one message, without a stack trace', () => {
  test.each([
    [['pasue'], 'Did you mean pause?'],
    [['pause', '--reson', 'x'], 'Did you mean --reason?'],
    [['put', 'a'], "missing required argument 'body'"],
    [['status', 'extra'], 'too many arguments'],
    [['ls', '--stage', 'done'], 'WAITING, PROCESSING, SUCCESS, FAIL'],
    [['ls', '--limit', '-1'], 'whole number'],
    [['put', 'a', '1', '--delay', 'soon'], 'such as 500ms, 30s'],
    [['put', 'a', '1', '--delay', '5'], 'a duration with a unit, such as 500ms, 30s'],
    [['rm', '--stage', 'processing'], 'sluice release'],
    [['requeue', '--reason-matches', '('], 'Invalid regular expression'],
    [['status', '--set', 'x'], '--set takes PATH=VALUE'],
    [['limit', '3', '--reset'], 'not both'],
    [['requeue'], 'Select items'],
    [['requeue', 'a', '--all'], 'not both'],
    [['release'], 'Select items'],
    [['rm'], 'Select items'],
    [['status'], 'sluice init'],
  ])('sluice %j', async (args, expected) => {
    const { code, out, err } = await box.run(args)
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(/^error: /)
    expect(err).toContain(expected)
    expect(err).not.toMatch(/^\s+at /m)
    const json = await box.run([...args, '--json'])
    expect(JSON.parse(json.err)).toEqual({
      error: { code: expect.any(String), message: expect.stringContaining(expected) },
    })
  })

  test('the built command does the same', async () => {
    const { code, out, err } = await box.spawn(['pasue'])
    expect([code, out]).toEqual([2, ''])
    expect(err).toBe("error: unknown command 'pasue'\n(Did you mean pause?)")
  })

  test('SLUICE_DEBUG=1 shows the stack trace', async () => {
    expect((await box.run(['status'], { env: { SLUICE_DEBUG: '1' } })).err).toMatch(/^\s+at /m)
  })
})

describe('packages', () => {
  test('a missing one: the error has the line that installs it', async () => {
    const env = { ...MEMORY, SLUICE_QUEUE_PACKAGE: '@sluice/queue-nowhere' }
    const { code, err } = await box.run(['status', '--json'], { env })
    const { error } = JSON.parse(err)
    expect([code, error.code]).toEqual([2, 'SLUICE_PACKAGE_MISSING'])
    expect(error.message).toContain('npm install @sluice/queue-nowhere')
    expect(error.message).toContain('SLUICE_QUEUE_PACKAGE')
  })

  test.each([
    ['queue', 'sqlite', /did you mean `sql`\?$/],
    ['queue', 'postgres', /did you mean `sql`\?$/],
    ['queue', 's4', /did you mean `s3`\?$/],
    ['queue', 'argo', /did you mean `argo` for `worker.package`\?$/],
    ['worker', 'proces', /did you mean `process`\?$/],
    ['worker', 'local', /did you mean `process`\?$/],
  ] as const)(
    '%s.package %s: the error does not suggest a third-party package',
    async (kind, given, text) => {
      const other = kind === 'queue' ? 'worker.package=dummy' : 'queue.package=memory'
      const args = ['--set', `${kind}.package=${given}`, '--set', other, '--set', 'queue.name=t']
      const { code, err } = await box.run(['check', ...args])
      expect([code, err]).toEqual([2, expect.stringMatching(text)])
      expect(err).not.toContain('npm install')
    },
  )

  test('two missing ones: the error has one line that installs both', async () => {
    const env = {
      ...MEMORY,
      SLUICE_QUEUE_PACKAGE: '@sluice/queue-nowhere',
      SLUICE_WORKER_PACKAGE: 'no-worker',
    }
    const { code, err } = await box.run(['run'], { env })
    expect(code).toBe(2)
    expect(err).toContain('@sluice/queue-nowhere (queue.package in SLUICE_QUEUE_PACKAGE) and no-worker (')
    expect(err).toContain('\n  npm install @sluice/queue-nowhere no-worker')
  })

  test('a missing file, a package that is not a queue, one that does not load', async () => {
    await writeFile(join(box.dir, 'empty.mjs'), 'export const x = 1\n')
    await writeFile(join(box.dir, 'broken.mjs'), 'throw new Error("my own trouble")\n')
    const run = (path: string) => box.run(['status'], { env: { ...MEMORY, SLUICE_QUEUE_PACKAGE: path } })
    const [gone, empty, broken] = await Promise.all([
      run('./gone.mjs'),
      run('./empty.mjs'),
      run('./broken.mjs'),
    ])
    expect([gone.code, empty.code, broken.code]).toEqual([2, 2, 2])
    expect(gone.err).toContain(join(box.dir, 'gone.mjs'))
    expect(empty.err).toContain('exports no function openQueue')
    expect(broken.err).toContain('my own trouble')
  })

  test('options that it refuses are named with their place, and no value is repeated', async () => {
    await writeFile(
      join(box.dir, 'sluice.config.yaml'),
      'queue:\n  package: sql\n  name: q\n  url: mysql://me:secret@host\n  poolsize: 5\n',
    )
    const { code, err } = await box.run(['status'])
    expect(code).toBe(2)
    expect(err).toContain('queue.url: ')
    expect(err).toContain('(sluice.config.yaml:4)')
    expect(err).toContain(
      'queue.poolsize: there is no such setting; did you mean `poolSize`? (sluice.config.yaml:5)',
    )
    expect(err).not.toContain('secret')
  })

  test('an option given by a variable of a wrong name: which variable was meant', async () => {
    const env = { SLUICE_QUEUE_PACKAGE: 'sql', SLUICE_QUEUE_NAME: 'q', SLUICE_QUEUE_POOLSIZE: '5' }
    const { code, err } = await box.run(['status'], { env: { ...env, SLUICE_QUEUE_URL: 'sqlite:x.db' } })
    expect([code, err]).toEqual([2, expect.stringContaining('did you mean SLUICE_QUEUE_POOL_SIZE?')])
  })

  test('a command that needs only the queue does not load the worker', async () => {
    const env = { ...MEMORY, SLUICE_WORKER_PACKAGE: 'no-such-worker' }
    expect((await box.run(['status', '--sample', '0'], { env })).code).toBe(0)
    expect((await box.run(['run'], { env })).err).toContain('npm install no-such-worker')
  })
})

test('put warns of a queue that ends with the command', async () => {
  const { code, err } = await box.run(['put', 'a', '1'], { env: MEMORY })
  expect([code, err]).toEqual([0, expect.stringContaining('this queue exists only in this process')])
})

test('put refuses what no queue could store, and stores nothing', async () => {
  const long = 'x'.repeat(1025)
  const [id, nan, deep, empty] = await Promise.all([
    box.run(['put', long, '1'], { env: MEMORY }),
    box.run(['put', 'a', '{"secret": NaN}'], { env: MEMORY }),
    box.run(['put', 'a', '1e999'], { env: MEMORY }),
    box.run(['put', '', '1'], { env: MEMORY }),
  ])
  expect([id.code, nan.code, deep.code, empty.code]).toEqual([2, 2, 2, 2])
  expect(id.err).toContain('1025 bytes')
  expect(id.err.split('\n').length).toBe(1)
  expect(nan.err).toContain('JSON has no NaN')
  expect(nan.err).not.toContain('secret')
  expect(deep.err).toContain('digits would change')
  expect(empty.err).toContain('must not be empty')
})

test.each([
  ['{"root": {"id": 864691135012345679}}', /at \$\.root\.id, .*digits would change; write it as a string/],
  ['{"a": 1, "b": 2, "a": 3}', /at \$\.a, the key comes twice/],
  [String.raw`{"path": "/d/caf\udce9.tif"}`, /at \$\.path, the string has a surrogate without its partner/],
])('put refuses what JSON.parse would alter, with the path: %s', async (body, says) => {
  const { code, err } = await box.run(['put', 'a', body], { env: MEMORY })
  expect([code, err]).toEqual([2, expect.stringMatching(says)])
  expect(err).not.toMatch(/864691|caf/)
})

describe('init', () => {
  test('writes a valid configuration, and does not overwrite one', async () => {
    const first = await box.run(['init'])
    expect(first.code).toBe(0)
    expect(first.out).toMatch(/scripts\/sluice\.mjs'? run --until-empty$/m)
    const text = await readFile(join(box.dir, 'sluice.config.yaml'), 'utf8')
    expect((await box.run(['init'])).code).toBe(2)
    await writeFile(join(box.dir, 'sluice.config.yaml'), 'mine\n')
    expect((await box.run(['init', '--json'])).err).toContain('INVALID')
    expect(await readFile(join(box.dir, 'sluice.config.yaml'), 'utf8')).toBe('mine\n')
    expect(await box.json(['init', '--force'])).toEqual({ file: 'sluice.config.yaml' })
    expect(await readFile(join(box.dir, 'sluice.config.yaml'), 'utf8')).toBe(text)
  })

  test.each([
    ['sqlite', 'process', []],
    ['sqlite', 'argo', ['worker.baseUrl', 'ARGO_TOKEN']],
    ['postgres', 'process', ['DATABASE_URL']],
    ['postgres', 'argo', ['DATABASE_URL', 'worker.template']],
    ['s3', 'process', ['queue.bucket']],
    ['s3', 'argo', ['queue.bucket', 'worker.namespace']],
  ])(
    'writes one with a queue in %s and the worker %s, which is accepted',
    async (queue, worker, settings) => {
      const { code, out } = await box.run(['init', '--queue', queue, '--worker', worker])
      expect(code).toBe(0)
      // In a clone, where all packages are present.
      expect(out).not.toContain('npm install')
      for (const setting of settings) expect(out).toContain(setting)
      expect(out.includes('Fill in:')).toBe(settings.length > 0)
      const env = { DATABASE_URL: 'postgres://localhost/x', ARGO_TOKEN: 'token' }
      const { config } = await loadConfig({ cwd: box.dir, env })
      const wrong = [config.queue, config.worker].flatMap(
        ({ package: name, ...options } = { package: '' }) => {
          const schema = SCHEMAS[name]
          if (schema === undefined) return [`no package ${name}`]
          const found = schema['~standard'].validate({ ...options, name: 'default' })
          if (found instanceof Promise) return ['it is not synchronous']
          return (found.issues ?? []).map(({ message }) => message)
        },
      )
      expect(wrong).toEqual([])
    },
  )

  test('lists the known stores and workers for an unknown one', async () => {
    const { code, err } = await box.run(['init', '--queue', 'redis'])
    expect([code, err]).toEqual([2, expect.stringContaining('sqlite, postgres, s3')])
  })

  test('beside a configuration in another format it writes nothing, even with --force', async () => {
    await writeFile(join(box.dir, 'sluice.config.json'), '{}')
    expect((await box.run(['init', '--force'])).code).toBe(2)
  })
})

test('an unsupported Node is reported in one line', async () => {
  // The file that npm links is run as it is, with a version that claims to be old.
  const { exitCode, stdout, stderr } = await execa(
    process.execPath,
    [
      '-e',
      "Object.defineProperty(process.versions, 'node', { value: '22.12.0' }); import(process.argv[1])",
      CLI,
    ],
    { reject: false },
  )
  expect([exitCode, stdout]).toEqual([2, ''])
  expect(stderr).toMatch(
    /^error: sluice needs Node\.js 22\.22\.3, 24\.15, 25\.9 or newer; this is 22\.12\.0\. .*`node scripts\/sluice\.mjs`[^\n]*$/,
  )
})
