import { writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { startS3Server, type S3Server } from '@sluice/fake-s3'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startPostgres } from '../fixtures/postgres.js'
import { Sandbox, type Ended } from '../fixtures/sandbox.js'
import { leakText } from '../fixtures/find-secrets.js'
import { COMMANDS, FEW, RUNS, canary, unencodedPasswords } from './leak-matrix.js'

let box: Sandbox

beforeEach(async () => {
  box = await Sandbox.open()
})

afterEach(() => box.close())

interface Runs {
  readonly env?: Readonly<Record<string, string>>
  readonly commands?: readonly (readonly string[])[]
}

/** Runs commands, for people and as JSON, told as much as can be, and gives back how each ended. */
async function runAll({ env = {}, commands = COMMANDS }: Runs = {}): Promise<readonly Ended[]> {
  const ends: Ended[] = []
  for (const command of commands)
    for (const args of [command, [...command, '--json']])
      ends.push(await box.run(args, { env: { SLUICE_DEBUG: '1', ...env }, input: '{"id":"a","body":1}\n' }))
  return ends
}

/** Runs the service until it has said why it waits, and stops it if it has not ended. */
async function runUntilTold(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const service = box.start(args, { env: { SLUICE_DEBUG: '1', ...env } })
  let log = ''
  service.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString()
    if (/waits for it|could not|Could not|denied|DENIED|UNAVAILABLE/u.test(log)) service.kill('SIGTERM')
  })
  await service
  expect(log).not.toBe('')
}

async function configure(config: object): Promise<void> {
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify(config))
}

async function expectNoLeak(): Promise<void> {
  expect(leakText(await box.leaks())).toBe('')
}

const LOCAL = { package: 'process', command: ['true'] }

function postgresQueue(url: unknown): object {
  return { package: 'sql', name: 'tiles', url, timeoutMs: 500 }
}

/** What a server says that quotes a header. */
function quoting(authorization: string): string {
  return `the header ${authorization} (${Buffer.from(authorization).toString('base64')}) is refused`
}

describe('PostgreSQL', () => {
  let server: { url: string; stop(): Promise<void> }

  beforeAll(async () => {
    server = await startPostgres()
  }, 120_000)

  afterAll(() => server.stop())

  /** @returns the server's own address, and a password in the URL as it is written there */
  function urlWith(password: string): string {
    const { hostname, port } = new URL(server.url)
    return `postgres://unknown:${password}@${hostname}:${port}/postgres`
  }

  test('a wrong password is refused with 5, and in the output of no command', async () => {
    const password = canary('password')
    box.addCanary(password)
    await configure({ queue: postgresQueue({ env: 'DATABASE_URL' }), worker: LOCAL })
    const env = { DATABASE_URL: urlWith(encodeURIComponent(password)) }
    const ends = await runAll({ env, commands: [...COMMANDS, ...RUNS] })
    // 6: `drop` asks for more before it asks the storage.
    expect(new Set(ends.map(({ code }) => code))).toEqual(new Set([5, 6]))
    await expectNoLeak()
  })

  test.each([
    ['a parameter', (url: string, secret: string) => `${url.replace(/:[^:@]*@/u, '@')}?password=${secret}`],
    ['no TLS where it is required', (url: string) => `${url}?sslmode=require`],
    ['a port without a listener', (url: string) => url.replace(/:\d+\/postgres$/u, ':1/postgres')],
    ['a host that there is not', (url: string) => url.replace(/@[^/]+/u, '@no-such-host.invalid')],
    ['a level of commit that there is not', (url: string) => `${url}?options=-c%20synchronous_commit%3Dx`],
  ])('%s: the password is in no output', async (_, change) => {
    const password = canary('password')
    box.addCanary(password)
    await configure({ queue: postgresQueue(change(urlWith(password), password)), worker: LOCAL })
    const ends = await runAll({ commands: FEW })
    for (const args of RUNS) await runUntilTold(args)
    expect(ends.map(({ code }) => code)).not.toContain(0)
    await expectNoLeak()
  })

  test.each(unencodedPasswords())(
    'a password with %s is explained, and no part of it shown',
    async (_, password) => {
      box.addCanary(password)
      const ways: readonly (readonly [string[], Record<string, string>, unknown])[] = [
        [[], {}, urlWith(password)],
        [[], { DATABASE_URL: urlWith(password) }, { env: 'DATABASE_URL' }],
        [[], { SLUICE_QUEUE_URL: urlWith(password) }, undefined],
        [['--set', `queue.url=${urlWith(password)}`], {}, undefined],
      ]
      for (const [args, env, url] of ways) {
        await configure({
          queue: { package: 'sql', name: 'tiles', ...(url === undefined ? {} : { url }) },
          worker: LOCAL,
        })
        for (const command of [['check'], ['run'], ['status', '--json']]) {
          const { code, err } = await box.run([...command, ...args], { env: { SLUICE_DEBUG: '1', ...env } })
          expect([code, err]).toEqual([2, expect.stringContaining('@ as %40, : as %3A, / as %2F')])
        }
      }
      await expectNoLeak()
    },
  )
})

describe('S3', () => {
  let server: S3Server

  beforeAll(async () => {
    server = await startS3Server()
  })

  afterAll(() => server.close())

  function queue(more: object): object {
    return {
      package: 's3',
      name: 'tiles',
      bucket: server.bucket,
      endpoint: server.endpoint,
      region: 'us-east-1',
      timeoutMs: 300,
      ...more,
    }
  }

  test.each([
    ['keys that are refused', {}],
    ['a host that there is not', { endpoint: 'http://no-such-host.invalid' }],
    ['a region that there is not', { endpoint: undefined, region: 'no where' }],
    ['an option that is wrong', { shards: 3 }],
  ])('%s: the credentials are in no output', async (_, more) => {
    const credentials = { accessKeyId: canary(), secretAccessKey: canary('odd'), sessionToken: canary('odd') }
    for (const secret of Object.values(credentials)) box.addCanary(secret)
    await configure({ queue: queue({ credentials, ...more }), worker: LOCAL })
    const ends = await runAll()
    expect(ends.map(({ code }) => code)).not.toContain(0)
    await expectNoLeak()
  })

  test.each([
    ...unencodedPasswords().filter(([, password]) => !/\s/u.test(password)),
    ['nothing odd', canary()] as const,
  ])('an endpoint with a password with %s is refused before anything is sent', async (_, password) => {
    box.addCanary(password)
    await configure({
      queue: queue({ endpoint: `http://me:${password}@${new URL(server.endpoint).host}` }),
      worker: LOCAL,
    })
    const { code, err } = await box.run(['check'])
    expect([code, err]).toEqual([2, expect.stringContaining('give credentials')])
    await expectNoLeak()
  })
})

describe('Argo', () => {
  let server: Server
  let answer: (authorization: string) => {
    readonly status: number
    readonly type: string
    readonly text: string
  }

  beforeAll(async () => {
    server = createServer((request, response) => {
      const { status, type, text } = answer(request.headers.authorization ?? '')
      response.writeHead(status, {
        'content-type': type,
        location: `/login?token=${encodeURIComponent(request.headers.authorization ?? '')}`,
      })
      response.end(text)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })

  afterAll(() => void server.close())

  function config(more: object): object {
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : undefined
    return {
      queue: { package: 'sql', name: 'tiles', url: 'sqlite:queue.db' },
      worker: {
        package: 'argo',
        baseUrl: `http://127.0.0.1:${port}`,
        namespace: 'argo',
        template: 'tile',
        requestTimeoutMs: 500,
        ...more,
      },
      service: { intervalMs: 20 },
    }
  }

  const answers: readonly (readonly [string, typeof answer])[] = [
    ...[401, 403, 404, 409, 429, 500, 503].map((status): readonly [string, typeof answer] => [
      String(status),
      (authorization) => ({
        status,
        type: 'application/json',
        text: JSON.stringify({ code: 7, message: quoting(authorization) }),
      }),
    ]),
    [
      'a page',
      (authorization) => ({ status: 403, type: 'text/html', text: `<html>${quoting(authorization)}</html>` }),
    ],
    ['text', (authorization) => ({ status: 500, type: 'text/plain', text: quoting(authorization) })],
    [
      'text that is cut',
      (authorization) => ({ status: 500, type: 'text/plain', text: `${'x'.repeat(270)} ${authorization}` }),
    ],
    ['a redirect', (authorization) => ({ status: 302, type: 'text/plain', text: quoting(authorization) })],
    [
      'no JSON',
      (authorization) => ({ status: 200, type: 'application/json', text: `{${quoting(authorization)}` }),
    ],
  ]

  const givens: readonly (readonly [string, object])[] = [
    ['in a variable', { token: { env: 'ARGO_TOKEN' } }],
    ['in a file', { tokenFile: 'argo-token' }],
    ['by a command', { tokenCommand: ['cat', 'argo-token'] }],
  ]
  const cases = answers.map(([name, answering], index) => ({
    name,
    answering,
    given: givens[index % givens.length],
  }))

  test.each(cases)(
    'a server that answers $name and quotes the token $given.0: the token is in no output',
    async ({ answering, given }) => {
      answer = answering
      const token = canary('password')
      box.addCanary(token)
      await writeFile(join(box.dir, 'argo-token'), `${token}\n`)
      await configure(config(given?.[1] ?? {}))
      const env = { ARGO_TOKEN: token }
      const reading = [['logs', 'a'], ['show', 'a'], ['status']]
      await runAll({ env, commands: [['put', 'a', '{"x":"1"}'], ['check'], ...reading] })
      await runUntilTold(RUNS[0] ?? [], env)
      await runAll({ env, commands: [...reading, ['report', '--out', 'report.csv', '--force']] })
      expect(leakText(await box.leaks())).toBe('')
    },
  )

  const broken: readonly (readonly [string, (token: string) => string])[] = [
    ['a line end in it', (token) => `${token.slice(0, 12)}\n${token.slice(12)}`],
    ['a carriage return in it', (token) => `${token.slice(0, 12)}\r${token.slice(12)}`],
    ['a NUL in it', (token) => `${token.slice(0, 12)}\0${token.slice(12)}`],
    ['a letter that is not ASCII', (token) => `${token.slice(0, 12)}é${token.slice(12)}`],
    ['a typographic quotation mark', (token) => `“${token}”`],
    ['a tab in it', (token) => `${token.slice(0, 12)}\t${token.slice(12)}`],
    ['a zero-width space', (token) => `${token.slice(0, 12)}\u200b${token.slice(12)}`],
  ]

  test.each(broken)(
    'a token with %s is refused with 5 by the setting that it comes from',
    async (_, make) => {
      answer = () => ({ status: 500, type: 'text/plain', text: 'unexpected request' })
      const token = make(canary())
      box.addCanary(token)
      await writeFile(join(box.dir, 'argo-token'), `${token}\n`)
      const ways: readonly (readonly [RegExp, object, Record<string, string>])[] = [
        [/worker\.token \(sluice\.config\.json/u, { token }, {}],
        [/worker\.token \(sluice\.config\.json/u, { token: { env: 'ARGO_TOKEN' } }, { ARGO_TOKEN: token }],
        [/worker\.token \(SLUICE_WORKER_TOKEN\)/u, {}, { SLUICE_WORKER_TOKEN: token }],
        [/token file .*argo-token/u, { tokenFile: 'argo-token' }, {}],
        [/token command cat/u, { tokenCommand: ['cat', 'argo-token'] }, {}],
      ]
      for (const [where, worker, env] of ways) {
        // No process can have a variable with a NUL.
        await configure(config(worker))
        await box.run(['put', 'a', '{}'], { env })
        for (const args of [['check'], ['check', '--json'], ['run', '--until-empty']]) {
          const { code, err } = await box.run(args, { env: { SLUICE_DEBUG: '1', ...env } })
          expect([args, code, err]).toEqual([args, 5, expect.stringMatching(where)])
        }
      }
      await expectNoLeak()
    },
  )

  test('a line end after a token is ignored in a file, and refused elsewhere', async () => {
    let seen = ''
    answer = (authorization) => {
      seen = authorization
      return { status: 401, type: 'text/plain', text: 'no' }
    }
    const token = canary()
    box.addCanary(token)
    for (const end of ['', '\n', '\r\n', ' \n\n']) {
      seen = ''
      await writeFile(join(box.dir, 'argo-token'), token + end)
      await configure(config({ tokenFile: 'argo-token' }))
      await box.run(['check'])
      expect(seen).toBe(`Bearer ${token}`)
    }
    await configure(config({ token: `${token}\n` }))
    const { code, err } = await box.run(['check'])
    expect([code, err]).toEqual([5, expect.stringContaining('has a line end in it')])
    expect(err).toContain('a line end behind a token does no harm there')
    await expectNoLeak()
  })
})
