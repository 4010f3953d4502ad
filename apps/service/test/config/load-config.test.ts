import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isSluiceError } from '@sluice/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { assertSet } from '../../src/config/env-reference.js'
import { loadConfig, type FlagSetting, type LoadedConfig } from '../../src/config/load-config.js'

let cwd: string

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sluice-config-'))
})

afterEach(() => rm(cwd, { recursive: true, force: true }))

interface Given {
  readonly files?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  readonly flags?: readonly FlagSetting[]
  readonly configFile?: string
}

async function load({ files = {}, env = {}, ...rest }: Given): Promise<LoadedConfig> {
  for (const [name, text] of Object.entries(files)) await writeFile(join(cwd, name), text)
  return loadConfig({ cwd, env, ...rest })
}

async function refusal(given: Given): Promise<string> {
  const error: unknown = await load(given).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!isSluiceError(error, 'SLUICE_CONFIG_INVALID')) throw new Error(`not refused: ${String(error)}`)
  return error.message
}

const YAML = 'queue:\n  package: memory\n  name: tiles\n'

describe('files', () => {
  const MODULE = "export default { queue: { package: 'memory', name: 'tiles' }, processing: { limit: 7 } }\n"
  test.each([
    ['sluice.config.yaml', `${YAML}processing: { limit: 7 }\n`],
    ['sluice.config.yml', `${YAML}processing: { limit: 7 }\n`],
    ['sluice.config.json', '{"queue":{"package":"memory","name":"tiles"},"processing":{"limit":7}}'],
    ['sluice.config.toml', '[queue]\npackage = "memory"\nname = "tiles"\n[processing]\nlimit = 7\n'],
    ['sluice.config.mjs', MODULE],
    [
      'sluice.config.js',
      'module.exports = { queue: { package: "memory", name: "tiles" }, processing: { limit: 7 } }',
    ],
    ['sluice.config.mts', `const n: number = 7\n${MODULE}`],
    ['sluice.config.ts', `interface A { b: number }\nconst a: A = { b: 7 }\nvoid a\n${MODULE}`],
    [
      'sluice.config.mjs',
      `export default async () => ({ queue: { package: 'memory', name: 'tiles' }, processing: { limit: 7 } })`,
    ],
  ])('%s is found and read', async (name, text) => {
    const { config, file, baseDirs } = await load({ files: { [name]: text } })
    expect(config.queue).toEqual({ package: 'memory', name: 'tiles' })
    expect(config.processing.limit).toBe(7)
    expect(file).toBe(join(cwd, name))
    expect(baseDirs).toEqual([cwd])
  })

  test('defaults fill in missing settings', async () => {
    const { config } = await load({ files: { 'sluice.config.yaml': YAML } })
    expect(config).toEqual({
      queue: { package: 'memory', name: 'tiles' },
      processing: { limit: 10 },
      retry: { backoff: { baseMs: 1000, maxMs: 300_000 } },
      lost: { policy: 'fail', graceMs: 60_000 },
      deadlines: {},
      jobs: { pendingWarnMs: 600_000, askAfterMs: 300_000 },
      backpressure: { algorithm: 'aimd', minLimit: 10, slowSendMs: 150, pendingMs: 30_000 },
      sends: { maxTries: 5, baseMs: 1000, maxMs: 60_000, maxRetryAfterMs: 300_000 },
      sweep: { everyMs: 3_600_000 },
      service: {
        intervalMs: 1000,
        leaseTtlMs: 15_000,
        stopDeadlineMs: 10_000,
        stallMs: 120_000,
        sendConcurrency: 16,
        maxLookupsPerSecond: 200,
      },
      log: { level: 'info', format: 'auto' },
    })
  })

  test('sends.maxMs below sends.baseMs is refused by its name', async () => {
    const message = await refusal({ files: { 'sluice.config.yaml': `${YAML}\nsends: { baseMs: 70000 }` } })
    expect(message).toContain('sends.maxMs')
  })

  test('two of them in one folder are refused', async () => {
    const message = await refusal({ files: { 'sluice.config.yaml': YAML, 'sluice.config.json': '{}' } })
    expect(message).toContain('sluice.config.json, sluice.config.yaml')
  })

  test('--config chooses any file, SLUICE_CONFIG too, and the flag wins', async () => {
    const files = { 'a.yaml': YAML, 'b.yaml': YAML.replace('tiles', 'other') }
    expect((await load({ files, configFile: 'b.yaml' })).config.queue.name).toBe('other')
    expect((await load({ env: { SLUICE_CONFIG: 'b.yaml' } })).config.queue.name).toBe('other')
    expect((await load({ env: { SLUICE_CONFIG: 'b.yaml' }, configFile: 'a.yaml' })).config.queue.name).toBe(
      'tiles',
    )
  })

  test('a missing file is named, with the flag or variable that gave it', async () => {
    expect(await refusal({ configFile: 'gone.yaml' })).toBe(
      'The configuration file gone.yaml does not exist (set by --config).',
    )
    expect(await refusal({ env: { SLUICE_CONFIG: 'gone.yaml' } })).toContain('(set by SLUICE_CONFIG)')
  })

  test('without a file the error names `sluice init`', async () => {
    expect(await refusal({})).toContain('sluice init')
  })

  test.each([
    ['sluice.config.yaml', 'queue:\n  package: "memory\n', "sluice.config.yaml can't be read: line 3"],
    ['sluice.config.yaml', 'queue: {}\nqueue: {}\n', 'line 2, column 1: Map keys must be unique'],
    ['sluice.config.json', '{"queue": {', 'line 1, column'],
    ['sluice.config.toml', '[queue]\npackage = memory\n', "sluice.config.toml can't be read: line 2"],
    ['sluice.config.mjs', 'export default {', "sluice.config.mjs can't be read"],
    ['sluice.config.yaml', '- a\n- b\n', 'must contain settings by name'],
    ['sluice.config.yaml', '', 'must contain settings by name'],
  ])('%s that does not parse is refused with its line', async (name, text, expected) => {
    expect(await refusal({ files: { [name]: text } })).toContain(expected)
  })

  test('a file that is not UTF-8 is refused', async () => {
    await writeFile(join(cwd, 'sluice.config.yaml'), Buffer.from([0x71, 0xff, 0xfe]))
    expect(await refusal({})).toContain("can't be read")
  })
})

describe('environment', () => {
  test('sets any setting, and options of packages', async () => {
    const { config } = await load({
      env: {
        SLUICE_QUEUE_PACKAGE: 'sql',
        SLUICE_QUEUE_NAME: '42',
        SLUICE_QUEUE_URL: 'sqlite:a.db',
        SLUICE_QUEUE_POOL_SIZE: '5',
        SLUICE_WORKER_PACKAGE: 'process',
        SLUICE_WORKER_COMMAND: '["sha256sum","{body.path}"]',
        SLUICE_PROCESSING_LIMIT: '0',
        SLUICE_RETRY_BACKOFF_BASE_MS: '5',
        SLUICE_RETRY_ON: '["killed"]',
        SLUICE_LOST_POLICY: 'hold',
        SLUICE_DEBUG: '1',
        PATH: '/bin',
      },
    })
    expect(config.queue).toEqual({ package: 'sql', name: '42', url: 'sqlite:a.db', poolSize: 5 })
    expect(config.worker).toEqual({ package: 'process', command: ['sha256sum', '{body.path}'] })
    expect(config.processing.limit).toBe(0)
    expect(config.retry).toEqual({ backoff: { baseMs: 5, maxMs: 300_000 }, on: ['killed'] })
    expect(config.lost.policy).toBe('hold')
  })

  test('retry rules come from a file, a variable or a flag', async () => {
    const rules = [
      { classes: ['evicted'], maxAttempts: 5 },
      { exitCodes: [75, '130-145'], maxAttempts: 3 },
    ]
    const text = `${YAML}retry: { rules: ${JSON.stringify(rules)} }\n`
    const retry = { backoff: { baseMs: 1000, maxMs: 300_000 }, rules }
    expect((await load({ files: { 'sluice.config.yaml': text } })).config.retry).toEqual(retry)
    const env = { SLUICE_RETRY_RULES: JSON.stringify(rules) }
    expect((await load({ files: { 'sluice.config.yaml': YAML }, env })).config.retry).toEqual(retry)
    const flags = [{ path: 'retry.rules', value: rules, flag: '--set retry.rules' }]
    expect((await load({ files: { 'sluice.config.yaml': YAML }, flags })).config.retry).toEqual(retry)
  })

  test('variables that Kubernetes sets for a service named sluice are ignored', async () => {
    const { config, warnings } = await load({
      files: { 'sluice.config.yaml': YAML },
      env: {
        SLUICE_PORT: 'tcp://10.0.0.1:80',
        SLUICE_PORT_80_TCP: 'tcp://10.0.0.1:80',
        SLUICE_PORT_80_TCP_ADDR: '10.0.0.1',
        SLUICE_SERVICE_HOST: '10.0.0.1',
        SLUICE_SERVICE_PORT: '80',
        SLUICE_SERVICE_PORT_HTTP: '80',
        SLUICE_QUEUE_SERVICE_HOST: '10.0.0.1',
        SLUICE_QUEUE_PORT_80_TCP_PROTO: 'tcp',
      },
    })
    expect(config.queue).toEqual({ package: 'memory', name: 'tiles' })
    expect(warnings).toEqual([])
  })

  test('variables of a job of the process worker are not read as settings', async () => {
    const { config, warnings } = await load({
      files: { 'sluice.config.yaml': YAML },
      env: { SLUICE_ITEM_ID: 'a', SLUICE_ATTEMPT: '1', SLUICE_QUEUE: 'q', SLUICE_OUTPUT_DIR: '/x' },
    })
    expect(config.queue.name).toBe('tiles')
    expect(warnings).toEqual([])
  })

  test('a variable that resembles a setting causes a warning', async () => {
    const { warnings } = await load({
      files: { 'sluice.config.yaml': YAML },
      env: { SLUICE_PROCESING_LIMIT: '5', SLUICE_HOME: '/x' },
    })
    expect(warnings).toEqual([
      'the variable SLUICE_PROCESING_LIMIT is not a setting and is ignored: did you mean SLUICE_PROCESSING_LIMIT?',
    ])
  })

  test('{ env: NAME } is replaced by the variable, anywhere, and ${NAME} is left alone', async () => {
    const files = {
      'sluice.config.yaml': `${YAML}  url: { env: DATABASE_URL }\nworker:\n  package: process\n  command: [sh, -c, 'echo \${HOME}', { env: WHAT }]\n  env: { A: b }\n`,
    }
    const { config } = await load({ files, env: { DATABASE_URL: 'postgres://x', WHAT: 'y' } })
    expect(config.queue['url']).toBe('postgres://x')
    expect(config.worker).toEqual({
      package: 'process',
      command: ['sh', '-c', 'echo ${HOME}', 'y'],
      env: { A: 'b' },
    })
    const { unset } = await load({ env: { WHAT: 'y' } })
    expect(unset).toEqual([
      { path: ['queue', 'url'], variable: 'DATABASE_URL', place: 'sluice.config.yaml:4' },
    ])
    expect(() => assertSet(unset)).toThrow(
      'queue.url: the variable DATABASE_URL is not set (sluice.config.yaml:4). Set it, or replace the reference with the value.',
    )
  })
})

test('flags win over the environment, it over the file, it over the defaults', async () => {
  const files = { 'sluice.config.yaml': `${YAML}processing: { limit: 1 }\n` }
  const env = { SLUICE_PROCESSING_LIMIT: '2' }
  const flags = [{ path: 'processing.limit', value: 3, flag: '--limit' }]
  expect((await load({ files, env, flags })).config.processing.limit).toBe(3)
  expect((await load({ files, env })).config.processing.limit).toBe(2)
  expect((await load({ files })).config.processing.limit).toBe(1)
})

/** What paths in these settings are relative to; `cwd` for the working directory. */
async function bases(given: Given, ...paths: readonly string[]): Promise<readonly string[]> {
  const loaded = await load(given)
  const dirs = paths.map((path) => loaded.baseDirOf(path.split('.')))
  return dirs.map((dir) => (dir === cwd ? 'cwd' : dir))
}

describe('a relative path is relative to where it was given last', () => {
  const FLAG = { path: 'worker.dir', value: 'flag', flag: '--set worker.dir' }

  test.each(['yaml', 'json', 'toml', 'mjs'])('of a file ending in .%s: its folder', async (extension) => {
    const text = {
      yaml: `${YAML}worker: { package: process, dir: jobs, command: [./a, { env: HOME }], tls: { ca: a.pem } }\n`,
      json: '{"queue":{"package":"memory","name":"q"},"worker":{"package":"process","dir":"jobs","command":["./a"],"tls":{"ca":"a.pem"}}}',
      toml: '[queue]\npackage = "memory"\nname = "q"\n[worker]\npackage = "process"\ndir = "jobs"\ncommand = ["./a"]\n[worker.tls]\nca = "a.pem"\n',
      mjs: "export default { queue: { package: 'memory', name: 'q' }, worker: { package: 'process', dir: 'jobs', command: ['./a'], tls: { ca: 'a.pem' } } }\n",
    }[extension]
    await mkdir(join(cwd, 'sub'))
    const name = `sub/sluice.config.${extension}`
    const given = { files: { [name]: text ?? '' }, configFile: name, env: { HOME: '/home' } }
    const sub = join(cwd, 'sub')
    const paths = [
      'worker.dir',
      'worker.command',
      'worker.tls.ca',
      'worker.package',
      'worker.absent',
      'absent',
    ]
    expect(await bases(given, ...paths)).toEqual(paths.map(() => sub))
    // A flag for one option leaves the others as they are, those of its own section included.
    expect(await bases({ ...given, flags: [FLAG] }, ...paths)).toEqual([
      'cwd',
      ...paths.slice(1).map(() => sub),
    ])
    const section = { path: 'worker', value: { tls: { ca: 'b.pem' } }, flag: '--set worker' }
    expect(await bases({ ...given, flags: [section] }, 'worker.tls.ca', 'worker.dir')).toEqual(['cwd', sub])
    const env = { ...given.env, SLUICE_WORKER_DIR: 'variable' }
    expect(await bases({ ...given, env }, 'worker.dir', 'worker.command')).toEqual(['cwd', sub])
  })

  test('{ env: NAME } in the file is a variable', async () => {
    await mkdir(join(cwd, 'sub'))
    const files = { 'sub/a.yaml': `${YAML}worker: { package: process, dir: { env: DIR }, cwd: x }\n` }
    const given = { files, configFile: 'sub/a.yaml', env: { DIR: 'jobs' } }
    expect(await bases(given, 'worker.dir', 'worker.cwd')).toEqual(['cwd', join(cwd, 'sub')])
  })

  test('without a file it is the working directory', async () => {
    const env = { SLUICE_QUEUE_PACKAGE: 'memory', SLUICE_QUEUE_NAME: 'q', SLUICE_WORKER_PACKAGE: 'dummy' }
    expect(await bases({ env, flags: [FLAG] }, 'queue.url', 'worker.dir')).toEqual(['cwd', 'cwd'])
  })
})

describe('errors contain the place, and never the value', () => {
  test('by file and line', async () => {
    const text = `${YAML}processing:\n  limit: secret-1\nretry: { maxAttempts: 0 }\nlog:\n  level: secret-2\n`
    const message = await refusal({ files: { 'sluice.config.yaml': text } })
    expect(message).toContain('processing.limit: must be a number, not text (sluice.config.yaml:5)')
    expect(message).toContain('retry.maxAttempts: must be 1 or more (sluice.config.yaml:6)')
    expect(message).toContain('log.level: must be one of debug, info')
    expect(message).toContain('(sluice.config.yaml:8)')
    expect(message).not.toContain('secret')
  })

  test('by file where lines are not known', async () => {
    const message = await refusal({
      files: { 'sluice.config.toml': '[queue]\npackage = "memory"\nname = "q"\n[processing]\nlimit = "x"\n' },
    })
    expect(message).toContain('processing.limit: must be a number, not text (sluice.config.toml)')
  })

  test('by variable and by flag, whichever won', async () => {
    const env = { SLUICE_PROCESSING_LIMIT: 'many' }
    const files = { 'sluice.config.yaml': YAML }
    expect(await refusal({ files, env })).toContain('(SLUICE_PROCESSING_LIMIT)')
    const flags = [{ path: 'processing.limit', value: 'few', flag: '--limit' }]
    expect(await refusal({ files, env, flags })).toContain('(--limit)')
  })

  test('what is missing, and how to set it', async () => {
    const message = await refusal({ files: { 'sluice.config.yaml': 'queue:\n  name: tiles\n' } })
    expect(message).toContain(
      'queue.package: is missing (set it in the configuration file or as SLUICE_QUEUE_PACKAGE)',
    )
  })

  test.each([
    ['on', 'backpressure: must be off, or settings by name (sluice.config.yaml:4)'],
    ['[]', 'backpressure: must be off, or settings by name'],
    ['{ algorithm: vegas }', 'backpressure.algorithm: must be one of aimd, gradient (sluice.config.yaml:4)'],
    ['{ minLimit: 0 }', 'backpressure.minLimit: must be 1 or more (sluice.config.yaml:4)'],
    ['{ minLimit: many }', 'backpressure.minLimit: must be a number, not text (sluice.config.yaml:4)'],
    ['{ slowSendMs: -1 }', 'backpressure.slowSendMs: must be 0 or more'],
    ['{ pendingMS: 3 }', 'backpressure.pendingMS: there is no such setting; did you mean `pendingMs`?'],
  ])('backpressure: %s', async (text, expected) => {
    expect(await refusal({ files: { 'sluice.config.yaml': `${YAML}backpressure: ${text}\n` } })).toContain(
      expected,
    )
  })

  test('backpressure is off, or has defaults, in a file and in variables', async () => {
    const files = { 'sluice.config.yaml': `${YAML}backpressure: off\n` }
    expect((await load({ files })).config.backpressure).toBe('off')
    const defaults = { algorithm: 'aimd', minLimit: 10, slowSendMs: 150, pendingMs: 30_000 }
    expect((await load({ files: { 'sluice.config.yaml': YAML } })).config.backpressure).toEqual(defaults)
    expect((await load({ env: { SLUICE_BACKPRESSURE: 'off' } })).config.backpressure).toBe('off')
    const env = { SLUICE_BACKPRESSURE_MIN_LIMIT: '3' }
    expect((await load({ env })).config.backpressure).toEqual({ ...defaults, minLimit: 3 })
  })

  test.each([
    ['[{ classes: [failed] }]', 'retry.rules.0.maxAttempts: is missing'],
    ['[{ maxAttempts: 0 }]', 'retry.rules.0.maxAttempts: must be 1 or more'],
    ['[{ maxAttempts: 2 }, { maxAttempts: 2, exitCodes: [1, "9-3"] }]', 'retry.rules.1.exitCodes.1: must be'],
    [
      '[{ maxAttempts: 2, exitCodes: [1.5] }]',
      'retry.rules.0.exitCodes.0: must be an exit code from 0 to 255 such as 75',
    ],
    [
      '[{ maxAttempts: 2, exitCodes: [x] }]',
      'retry.rules.0.exitCodes.0: must be an exit code from 0 to 255 such as 75',
    ],
    [
      '[{ maxAttempts: 2, exitCodes: [300] }]',
      'retry.rules.0.exitCodes.0: must be 255 or less (sluice.config.yaml:5)',
    ],
    [
      '[{ maxAttempts: 2, exitCodes: [-1] }]',
      'retry.rules.0.exitCodes.0: must be 0 or more (sluice.config.yaml:5)',
    ],
    ['[{ maxAttempts: 2, exitCodes: ["-1"] }]', 'retry.rules.0.exitCodes.0: must be an exit code from 0 to'],
    ['[{ maxAttempts: 2, exitCodes: [145-130] }]', 'retry.rules.0.exitCodes.0: must be an exit code from 0'],
    ['[{ maxAttempts: 2, exitCodes: [200-300] }]', 'retry.rules.0.exitCodes.0: must be an exit code from 0'],
    ['[{ maxAttempts: 2, exitCodes: ["75,76"] }]', 'retry.rules.0.exitCodes.0: must be an exit code from 0'],
    [
      '[{ maxAttempts: 2, classes: [faild] }]',
      'retry.rules.0.classes.0: unknown failure class; did you mean failed? (sluice.config.yaml:5)',
    ],
    ['[{ maxAttempts: 2, classes: [failed, Evicted] }]', 'retry.rules.0.classes.1: unknown failure class'],
    ['[{ maxAttempts: 2, classes: [preempted] }]', 'unknown failure class; known classes are failed, error,'],
    ['[{ maxAttempts: 2, exitCodes: [] }]', 'retry.rules.0.exitCodes: must not be empty'],
    ['[{ maxAttempts: 2, classes: [""] }]', 'retry.rules.0.classes.0: must not be empty'],
    ['[{ maxAttempts: 2, backoff: { baseMs: -1 } }]', 'retry.rules.0.backoff.baseMs: must be 0 or more'],
    ['{ maxAttempts: 2 }', 'retry.rules: must be a list'],
  ])('a wrong retry rule: %s', async (rules, expected) => {
    const text = `${YAML}retry:\n  rules: ${rules}\n`
    const message = await refusal({ files: { 'sluice.config.yaml': text } })
    expect(message).toContain(expected)
    expect(message).toContain('(sluice.config.yaml:')
  })

  test.each<[string, string, string]>([
    ['', 'faild', 'did you mean failed?'],
    ['worker: { package: argo }', 'quota', 'known classes are failed, error,'],
    ['worker: { package: "@sluice/worker-process" }', 'quota', 'known classes are failed, error,'],
    ['worker: { package: ./my-worker.mjs }', 'time-out', 'did you mean timeout?'],
  ])('an unknown failure class, with %s: %s', async (worker, name, expected) => {
    const files = { 'sluice.config.yaml': `${YAML}retry: { maxAttempts: 2, on: [${name}] }\n${worker}\n` }
    expect(await refusal({ files })).toContain(`retry.on.0: unknown failure class; ${expected}`)
  })

  test('a third-party worker may have classes of its own', async () => {
    const text = `${YAML}retry: { maxAttempts: 2, on: [quota] }\nworker: { package: ./my-worker.mjs }\n`
    const { config } = await load({ files: { 'sluice.config.yaml': text } })
    expect(config.retry.on).toEqual(['quota'])
  })

  test('retry rules exclude the short form, wherever it is given', async () => {
    const files = { 'sluice.config.yaml': `${YAML}retry:\n  rules: [{ maxAttempts: 2 }]\n` }
    const message = await refusal({ files, env: { SLUICE_RETRY_MAX_ATTEMPTS: '3' } })
    expect(message).toContain('retry.maxAttempts: can’t be combined with retry.rules')
    expect(message).toContain('(SLUICE_RETRY_MAX_ATTEMPTS)')
  })

  test.each([
    [
      'procesing: { limit: 5 }',
      'procesing: there is no such setting; did you mean `processing`? (sluice.config.yaml:4)',
    ],
    [
      'service: { leaseTTLms: 5 }',
      'service.leaseTTLms: there is no such setting; did you mean `leaseTtlMs`?',
    ],
    [
      'retry: { backoff: { base: 5 } }',
      'retry.backoff.base: there is no such setting; did you mean `baseMs`?',
    ],
    [
      'retry: { rules: [{ maxAttempts: 2, exitCode: [75] }] }',
      'retry.rules.0.exitCode: there is no such setting; did you mean `exitCodes`? (sluice.config.yaml:4)',
    ],
    ['zzz: 1', 'zzz: there is no such setting (sluice.config.yaml:4)'],
    ['"__proto__": { limit: 5 }', '__proto__: there is no such setting'],
  ])('unknown: %s', async (line, expected) => {
    expect(await refusal({ files: { 'sluice.config.yaml': `${YAML}${line}\n` } })).toContain(expected)
  })
})
