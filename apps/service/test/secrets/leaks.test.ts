import { readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Sandbox, type Ended } from '../fixtures/sandbox.js'
import { leakText } from '../fixtures/find-secrets.js'
import { canary } from './leak-matrix.js'

let box: Sandbox

beforeEach(async () => {
  box = await Sandbox.open()
})

afterEach(() => box.close())

async function write(name: string, text: string): Promise<void> {
  await writeFile(join(box.dir, name), text)
}

async function shown(): Promise<string> {
  return leakText(await box.leaks())
}

const DEBUG = { SLUICE_DEBUG: '1' }

test.each([
  [
    'worker: { package: argo, baseUrl: "http://127.0.0.1:9", namespace: a, template: t, token: { env: NO_TOKEN } }',
    'NO_TOKEN',
  ],
  ['worker: { package: dummy, apiKey: { env: NO_KEY } }', 'NO_KEY'],
])('a variable that is not set is named: %s', async (worker, name) => {
  await write('sluice.config.yaml', `queue: { package: sql, name: q, url: 'sqlite:q.db' }\n${worker}\n`)
  const { code, err } = await box.run(['check'])
  expect([code, err]).toEqual([2, expect.stringContaining(`the variable ${name} is not set`)])
})

describe('the scanner', () => {
  test.each([
    ['as it is', (secret: string) => secret],
    ['in base64', (secret: string) => Buffer.from(`user:${secret}`).toString('base64')],
    ['percent-encoded', encodeURIComponent],
    ['in hexadecimal', (secret: string) => Buffer.from(secret).toString('hex')],
    ['in JSON', (secret: string) => JSON.stringify(JSON.stringify({ secret }))],
    ['a part of it', (secret: string) => secret.slice(3, 12)],
  ])('finds a leak that is planted in an output: %s', async (_, encode) => {
    const leaking = await Sandbox.open()
    const secret = canary('odd')
    leaking.addCanary(secret)
    await writeFile(
      join(leaking.dir, 'sluice.config.json'),
      JSON.stringify({ queue: { package: 'sql', name: 'q', url: 'sqlite:q.db' } }),
    )
    await leaking.run(['put', 'a', JSON.stringify({ said: encode(secret) })])
    const { out } = await leaking.run(['show', 'a', '--json'])
    expect(out).toContain('said')
    await expect(leaking.close()).rejects.toThrow(/stdout of sluice show shows/u)
  })

  test('finds a secret in a file of a run, and reads secrets from configurations', async () => {
    const leaking = await Sandbox.open()
    const secret = canary()
    const worker = {
      package: 'process',
      command: ['sh', '-c', `echo ${secret} >&2`],
      env: { API_TOKEN: secret },
    }
    const queue = { package: 'sql', name: 'q', url: 'sqlite:q.db' }
    await writeFile(
      join(leaking.dir, 'sluice.config.json'),
      JSON.stringify({ queue, worker: { ...worker, token: secret } }),
    )
    await leaking.run(['status'])
    await writeFile(join(leaking.dir, 'report.csv'), `a,${secret}\n`)
    await expect(leaking.close()).rejects.toThrow(/report\.csv shows/u)
  })
})

const MEMORY = pathToFileURL(createRequire(import.meta.url).resolve('@sluice/queue-memory')).href

/**
 * A third-party package that writes all it knows, wherever it can. Its schema marks its secrets; one
 * option is named like one; one is a URL.
 */
const LEAKY = `
import { Buffer } from 'node:buffer'
import { openQueue as openMemory } from '${MEMORY}'

const secret = { type: 'string', secret: true }
export const optionsSchema = {
  '~standard': {
    version: 1,
    vendor: 'third-party',
    jsonSchema: { input: () => ({ type: 'object', properties: { license: secret, list: { items: secret }, env: { additionalProperties: secret } } }) },
    validate: (value) => value.wrong ? { issues: [{ path: ['wrong'], message: 'not ' + JSON.stringify(value) }] } : { value },
  },
}
export const credentialVariables = ['LEAKY_CREDENTIAL']
const all = (options) => JSON.stringify(options) + Buffer.from('me:' + options.license).toString('base64') + ' ' + process.env.LEAKY_CREDENTIAL

function tell(options, context) {
  context.logger?.warn({ options, err: new Error(all(options)) }, 'warned of ' + all(options))
  context.logger?.info({ options }, 'told ' + all(options))
  if (options.emit) process.emitWarning('a warning of Node: ' + all(options))
}
const wrong = (options) => Object.assign(
  new Error('failed with ' + all(options), { cause: new AggregateError([new Error(all(options))], all(options)) }), { input: all(options) },
)
export async function openQueue(options, context) {
  tell(options, context)
  if (options.throws === 'open') throw wrong(options)
  if (options.throws === 'later') setTimeout(() => Promise.reject(wrong(options)), 0)
  if (options.throws === 'later') await new Promise((resolve) => setTimeout(resolve, 5000))
  const queue = await openMemory({ name: options.name })
  queue.sizes = async () => { throw wrong(options) }
  return queue
}
export async function openWorker(options, context) {
  tell(options, context)
  const jobs = new Map()
  return {
    name: options.name,
    supports: { durable: false, lookupJob: false, cancelJob: false, watch: false },
    async check() { if (options.throws === 'check') throw wrong(options) },
    async sendJob(id, body, { attempt, uid }) {
      jobs.set(id, { stage: 'FAIL', attempt, uid, message: 'it said ' + all(options), url: 'http://x/?q=' + options.license, details: { said: [all(options)], ['k' + options.license]: 1 } })
    },
    async pollAllStatus() { return jobs },
    async close() {},
  }
}
`

function secrets() {
  const all = {
    license: canary('odd'),
    list: [canary(), canary('password')],
    env: { ANY: canary() },
    apiKey: canary(),
    address: `amqp://me:${canary('password')}@host/x`,
    referenced: canary(),
    ambient: canary(),
  }
  const password = all.address.slice('amqp://me:'.length, all.address.indexOf('@'))
  for (const one of [
    all.license,
    ...all.list,
    all.env.ANY,
    all.apiKey,
    password,
    all.referenced,
    all.ambient,
  ])
    box.addCanary(one)
  return {
    ...all,
    variables: { ...DEBUG, A_VARIABLE_TOKEN: all.referenced, LEAKY_CREDENTIAL: all.ambient },
  }
}

function options({ license, list, env, apiKey, address }: ReturnType<typeof secrets>, more: object): object {
  return {
    package: './leaky.mjs',
    name: 'q',
    license,
    list,
    env,
    apiKey,
    address,
    referenced: { env: 'A_VARIABLE_TOKEN' },
    ...more,
  }
}

async function runs(
  commands: readonly (readonly string[])[],
  variables: Record<string, string>,
): Promise<readonly Ended[]> {
  const ends: Ended[] = []
  for (const command of commands)
    for (const args of [command, [...command, '--json']]) ends.push(await box.spawn(args, { env: variables }))
  return ends
}

describe('a third-party package that logs all it knows', () => {
  beforeEach(() => write('leaky.mjs', LEAKY))

  test.each(['open', 'later'])('as a queue that throws: %s', async (throws) => {
    const known = secrets()
    await write('sluice.config.json', JSON.stringify({ queue: options(known, { throws, emit: true }) }))
    const ends = await runs([['status'], ['check']], known.variables)
    for (const { code, err } of ends) expect([code, err]).toEqual([1, expect.stringContaining('failed with')])
    expect(await shown()).toBe('')
  })

  test('as a schema that repeats what it refuses', async () => {
    const known = secrets()
    await write('sluice.config.json', JSON.stringify({ queue: options(known, { wrong: true }) }))
    const ends = await runs([['status']], known.variables)
    for (const { code, err } of ends)
      expect([code, err]).toEqual([2, expect.stringContaining('queue.wrong: not {')])
    expect(await shown()).toBe('')
  })

  test('as a worker: in its check, its log, and what is stored of its jobs', async () => {
    const known = secrets()
    const queue = { package: 'sql', name: 'q', url: 'sqlite:q.db' }
    const configure = (more: object) =>
      write(
        'sluice.config.json',
        JSON.stringify({ queue, worker: options(known, more), service: { intervalMs: 10 } }),
      )
    await configure({ throws: 'check', emit: true })
    await runs([['put', 'a', '1'], ['check'], ['run', '--until-empty']], known.variables)
    await configure({ emit: true })
    for (const format of ['json', 'pretty']) {
      await runs([['requeue', '--all']], known.variables)
      const { err } = await box.spawn(
        ['run', '--until-empty', '--log-level', 'debug', '--log-format', format],
        { env: known.variables },
      )
      expect(err).toContain('told')
    }
    await runs(
      [['show', 'a'], ['ls', '--stage', 'FAIL'], ['status'], ['report'], ['report', '--summary']],
      known.variables,
    )
    expect(await box.json(['show', 'a'], { env: known.variables })).toMatchObject({
      stage: 'FAIL',
      reason: expect.stringContaining('it said {'),
    })
    expect(await shown()).toBe('')
  })
})

describe('a configuration that cannot be read', () => {
  test.each([
    ['yaml', (secret: string) => `queue:\n  url: *${secret}\n`],
    ['yaml', (secret: string) => `queue:\n  url: "\\q${secret}\n`],
    ['yaml', (secret: string) => `queue:\n  url: @${secret}\n`],
    ['yaml', (secret: string) => `queue:\n  url: !${secret} x\n`],
    ['yaml', (secret: string) => `queue:\n  url: a: ${secret}\n`],
    ['yaml', (secret: string) => `queue:\n  ${secret}\n   url: x\n`],
    ['yaml', (secret: string) => `%${secret}\n---\nqueue: 1\n`],
    ['yaml', (secret: string) => `${secret}: 1\n${secret}: 2\n`],
    ['yaml', (secret: string) => `- &${secret} &${secret}b x\n`],
    ['json', (secret: string) => `{ "queue": ${secret} }`],
    ['json', (secret: string) => `{ "queue": "${secret}\n`],
    ['toml', (secret: string) => `[queue]\nurl = ${secret}\n`],
    ['toml', (secret: string) => `[queue]\nurl = "\\q${secret}"\n`],
    ['toml', (secret: string) => `[queue]\n${secret} = 1\n${secret} = 2\n`],
    ['mjs', (secret: string) => `export default { queue: { url: '${secret} } }\n`],
    ['mjs', (secret: string) => `const key = '${secret}'; export default { key: key oops }\n`],
    ['ts', (secret: string) => `const key: string = '${secret}'; export default { key: key oops }\n`],
    ['ts', (secret: string) => `export default { token: '${secret} }\n`],
  ])('in %s: its line is named, and nothing of its text (%#)', async (extension, make) => {
    const secret = canary()
    box.addCanary(secret)
    await write(`sluice.config.${extension}`, make(secret))
    for (const args of [['status'], ['status', '--json'], ['check'], ['run']]) {
      const { code, err } = await box.spawn(args, { env: DEBUG })
      expect([code, err]).toEqual([2, expect.stringMatching(/sluice\.config|configuration is invalid/u)])
    }
    expect(await shown()).toBe('')
  })

  test.each([
    [{ queue: { package: 'sql', name: 'q', url: 'sqlite:q.db', password: 'SECRET' } }],
    [{ queue: { package: 's3', name: 'q', bucket: 'b', credentials: 'SECRET' } }],
    [
      {
        queue: {
          package: 's3',
          name: 'q',
          bucket: 'b',
          credentials: { accessKeyId: ['SECRET'], secretAccessKey: { x: 'SECRET' } },
        },
      },
    ],
    [{ queue: { package: 'sql', name: 'q', url: 'SECRET' } }],
    [{ queue: { package: 'sql', name: 'q', url: ['SECRET'] } }],
    [
      {
        queue: { package: 'memory', name: 'q', token: 'SECRET' },
        worker: { package: 'argo', token: { a: 'SECRET' } },
      },
    ],
    [
      {
        queue: { package: 'memory', name: 'q' },
        retry: { token: 'SECRET', on: 'SECRET' },
        password: 'SECRET',
      },
    ],
  ])('with a secret where none belongs: %j', async (config) => {
    const secret = canary('odd')
    box.addCanary(secret)
    await write('sluice.config.json', JSON.stringify(config).replaceAll('"SECRET"', JSON.stringify(secret)))
    for (const args of [['status'], ['check'], ['check', '--json'], ['run', '--until-empty']]) {
      const { code } = await box.run(args, { env: DEBUG })
      expect(code).toBe(2)
    }
    expect(await shown()).toBe('')
  })

  test('with a token of digits in a SLUICE_ variable, which is read as a number', async () => {
    const secret = '918273645546372819'
    box.addCanary(secret)
    await write(
      'sluice.config.json',
      JSON.stringify({ queue: { package: 'memory', name: 'q' }, worker: { package: './echo.mjs' } }),
    )
    await write(
      'echo.mjs',
      `export const openWorker = () => { throw new Error(process.env.SLUICE_WORKER_TOKEN) }`,
    )
    const { code, err } = await box.spawn(['check'], { env: { ...DEBUG, SLUICE_WORKER_TOKEN: secret } })
    expect([code, err]).toEqual([1, expect.stringContaining('error: [secret]')])
    expect(await shown()).toBe('')
  })

  test('with a secret on the command line that is no option', async () => {
    const secret = canary('odd')
    box.addCanary(secret)
    await write('sluice.config.json', JSON.stringify({ queue: { package: 'memory', name: 'q' } }))
    for (const args of [
      ['run', `--token=${secret}`],
      ['run', '--token', secret],
      ['--set', `worker.token=${secret}`, 'status', 'x'],
      ['--set', `no.token=${secret}`, 'status'],
      ['--set', `--token=${secret}`, 'status'],
      [`--password=${secret}`],
    ])
      expect([args, (await box.run(args, { env: DEBUG })).code]).toEqual([args, 2])
    expect(await shown()).toBe('')
  })
})

/** Where the job of an item wrote, as `show --json` says it. */
function filesOf(record: unknown): { readonly outputDir: string; readonly stderrFile: string } {
  const details: unknown = Reflect.get(Object(record), 'details')
  const [outputDir, stderrFile] = ['outputDir', 'stderrFile'].map((name) =>
    String(Reflect.get(Object(details), name)),
  )
  return { outputDir: outputDir ?? '', stderrFile: stderrFile ?? '' }
}

describe('a local job', () => {
  const QUEUE = { package: 'sql', name: 'q', url: 'sqlite:q.db' }

  test('inherits no variable with a secret, except those of worker.env, and its output of them is not stored', async () => {
    const [url, token, passed, named, literal] = [
      `postgres://me:${canary('password')}@h/d`,
      canary(),
      canary(),
      canary(),
      canary(),
    ]
    const printing =
      'env > "$SLUICE_OUTPUT_DIR/env"; echo "failed with $PASSED and $OTHER $LITERAL_TOKEN" >&2; exit 3'
    const worker = {
      package: 'process',
      command: ['sh', '-c', printing],
      env: {
        PASSED: { env: 'PASSED_ON' },
        OTHER: { env: 'SOME_API_KEY' },
        PLAIN: { env: 'A_PLACE' },
        LITERAL_TOKEN: literal,
      },
    }
    // Secrets of the queue: any option of a package that marks nothing, a URL with a password, and a name.
    await write(
      'queue.mjs',
      `export { openQueue } from '${pathToFileURL(createRequire(import.meta.url).resolve('@sluice/queue-sql')).href}'\n`,
    )
    const used = join(box.dir, 'used.mjs')
    await writeFile(
      used,
      `import { openQueue as open } from './queue.mjs'\nexport const openQueue = ({ backup, credentials, ...rest }, use) => open(rest, use)\n`,
    )
    const queue = {
      ...QUEUE,
      package: './used.mjs',
      backup: { env: 'BACKUP_URL' },
      credentials: { id: { env: 'QUEUE_ID' } },
    }
    await write('sluice.config.json', JSON.stringify({ queue, worker, service: { intervalMs: 10 } }))
    const env = {
      BACKUP_URL: url,
      QUEUE_ID: token,
      PASSED_ON: passed,
      SOME_API_KEY: named,
      A_PLACE: 'somewhere',
      SLUICE_LOG_LEVEL: 'debug',
      UNRELATED: 'stays',
      AWS_SECRET_ACCESS_KEY: 'of-the-account',
    }
    await box.run(['put', 'a', '1'], { env })
    const { code } = await box.spawn(['run', '--until-empty'], { env })
    const record = await box.json(['show', 'a'], { env })
    expect([code, record]).toMatchObject([
      0,
      { stage: 'FAIL', reason: 'exit code 3: failed with [secret] and [secret] [secret]' },
    ])
    const { outputDir, stderrFile } = filesOf(record)
    const variables = new Map(
      (await readFile(join(outputDir, 'env'), 'utf8'))
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const),
    )
    for (const name of ['BACKUP_URL', 'QUEUE_ID', 'PASSED_ON', 'SOME_API_KEY', 'A_PLACE', 'SLUICE_LOG_LEVEL'])
      expect([name, variables.get(name)]).toEqual([name, undefined])
    expect(Object.fromEntries(variables)).toMatchObject({
      PASSED: passed,
      OTHER: named,
      PLAIN: 'somewhere',
      UNRELATED: 'stays',
      AWS_SECRET_ACCESS_KEY: 'of-the-account',
      SLUICE_ITEM_ID: 'a',
    })
    // What the job wrote is its own; nothing else in its folder has them.
    await rm(outputDir, { recursive: true })
    await rm(stderrFile)
    for (const secret of [url, token, passed, named, literal]) box.addCanary(secret)
    expect(await shown()).toBe('')
  })
})
