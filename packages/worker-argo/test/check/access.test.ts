import { once } from 'node:events'
import { mkdtemp, readFile, rm, unlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isSluiceError, silentLogger, type Runtime, type Logger } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import { answerWith, answerWithStatus } from '@sluice/fake-argo'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ArgoWorkerOptions } from '../../src/index.js'
import { ArgoBench, eventually, fastClock, jobOf, send } from '../argo-bench.js'

let bench: ArgoBench
let folder: string
beforeEach(async () => {
  // So that a watch which is to be closed after a second is closed at once.
  bench = await ArgoBench.start({ runtime: fastClock, controller: { reconcileDelayMs: 0 } })
  folder = await mkdtemp(join(tmpdir(), 'sluice-argo-'))
})
afterEach(async () => {
  await bench.close()
  await rm(folder, { recursive: true })
})

/** A clock whose spans are long, so that each look at a file is a new one. */
function longClock() {
  let nowMs = 0
  return { ...systemRuntime, monotonicMs: () => (nowMs += 10_000), sleep: async () => undefined }
}

/** As long as nothing of a test but the end of a workflow waits. */
const LONG_MS = 60_000

/**
 * A clock on which short spans are over soon, and long ones only when the test says so: on {@link fastClock}
 * the workflow that a check makes ends after two seconds, which a busy machine may need before it asks for
 * its deletion. Time goes by spans that are over, and by nothing else.
 */
class HeldClock implements Runtime {
  readonly #held = Promise.withResolvers<undefined>()
  #nowMs = 1_795_500_000_000

  now(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const at = this.#nowMs + ms
    if (ms < LONG_MS) await fastClock.sleep(ms, signal)
    else await Promise.race([this.#held.promise, ...(signal === undefined ? [] : [once(signal, 'abort')])])
    if (signal?.aborted !== true) this.#nowMs = Math.max(this.#nowMs, at)
  }

  yield(): Promise<void> {
    return systemRuntime.yield()
  }

  random(): number {
    return systemRuntime.random()
  }

  newId(): string {
    return systemRuntime.newId()
  }

  /** Ends the long spans. */
  release(): void {
    this.#held.resolve(undefined)
  }
}

const NO_NAMESPACE = answerWithStatus(404, '{"code":5,"message":"namespaces \\"argo\\" not found"}')

/** A logger whose warnings are kept. */
function listening(warnings: string[]): Logger {
  return { ...silentLogger, warn: (_: object, text: string) => void warnings.push(text) }
}

async function check(options: Partial<ArgoWorkerOptions> = {}): Promise<unknown> {
  const worker = await bench.open(options)
  return worker.check().catch((error: unknown) => error)
}

async function warningsOf(options: Partial<ArgoWorkerOptions> = {}): Promise<readonly string[]> {
  const warnings: string[] = []
  expect(await check({ ...options, logger: listening(warnings) })).toBeUndefined()
  return warnings
}

/** From now on the template has this time to live. */
function withTtl(ttlStrategy: object): void {
  bench.server.templates.put({
    kind: 'WorkflowTemplate',
    metadata: { name: 'test-workflow-template' },
    spec: {
      entrypoint: 'main',
      ttlStrategy: { ...ttlStrategy },
      arguments: { parameters: [{ name: 'item' }] },
      templates: [{ name: 'main', suspend: {} }],
    },
  })
}

describe('check', () => {
  test('passes where all is well, and leaves nothing behind', async () => {
    expect(await check()).toBeUndefined()
    expect(await check({ parameters: { item: '@id', mode: 'fail', seconds: '$.s' } })).toBeUndefined()
    expect(bench.server.workflows.size).toBe(0)
  })

  describe('tries to delete, with deleteFinished', () => {
    test.each(['succeeded', 'all'] as const)(
      '%s: it names the rule that is missing, and leaves nothing behind',
      async (deleteFinished) => {
        const runtime = new HeldClock()
        await bench.close()
        bench = await ArgoBench.start({ runtime, controller: { reconcileDelayMs: 0 } })
        expect(await check({ deleteFinished })).toBeUndefined()
        expect(bench.server.traffic().DeleteWorkflow.requests).toBe(2)
        expect(bench.server.workflows.size).toBe(0)
        bench.server.access.denied.add('delete workflows')
        expect(await check({ deleteFinished })).toMatchObject({
          code: 'SLUICE_WORKER_DENIED',
          message: expect.stringMatching(
            /delete workflows, for deleteFinished \(403 .*apiGroups: \[argoproj\.io\], resources: \[workflows\], verbs: \[delete\]/u,
          ),
        })
        expect(bench.server.workflows.size).toBe(1)
        // It ends by itself, and its time to live is over then.
        runtime.release()
        await eventually('it is gone', () => bench.server.workflows.size === 0)
      },
    )

    test('and warns where workflows can’t be ended, which only cancelling needs', async () => {
      expect(await warningsOf({ deleteFinished: 'all' })).toEqual([])
      bench.server.access.denied.add('patch workflows')
      expect(await warningsOf({ deleteFinished: 'all' })).toEqual([
        expect.stringMatching(/^jobs can't be cancelled: the token needs patch of workflows \(403 /u),
      ])
      expect(bench.server.workflows.size).toBe(0)
    })

    test('and passes where nothing can be made to try it on', async () => {
      bench.server.admission = ({ metadata }) =>
        metadata.name.startsWith('sluice-check-') ? { webhook: 'x', message: 'no' } : undefined
      expect(await check({ deleteFinished: 'all' })).toBeUndefined()
      expect(await check()).toBeUndefined()
      expect(bench.server.traffic().DeleteWorkflow.requests).toBe(0)
    })
  })

  test.each(['list pods', 'watch pods'])('warns where logs can’t be read for want of %s', async (denied) => {
    const worker = await bench.open()
    await send(worker, jobOf('a'))
    expect(await warningsOf()).toEqual([])
    bench.server.access.denied.add(denied)
    expect(await warningsOf()).toEqual([
      expect.stringMatching(/^the logs of jobs can't be read: .*pods\/log/u),
    ])
  })

  describe('warns of a time to live that is shorter than the grace', () => {
    test('of the template', async () => {
      withTtl({ secondsAfterCompletion: 3_600, secondsAfterSuccess: 60 })
      expect(await warningsOf()).toEqual([
        expect.stringContaining('secondsAfterSuccess: 60 (of template test-workflow-template)'),
      ])
      expect(await warningsOf({ deleteGraceMs: 60_000 })).toEqual([])
    })

    test('of the option spec, which stands above the template’s', async () => {
      const spec = { ttlStrategy: { secondsAfterCompletion: 5 } }
      withTtl({ secondsAfterCompletion: 3_600 })
      expect(await warningsOf({ via: 'create', spec })).toEqual([
        expect.stringContaining('secondsAfterCompletion: 5 (of the option spec)'),
      ])
      withTtl({ secondsAfterCompletion: 5 })
      const longer = { ttlStrategy: { secondsAfterCompletion: 3_600 } }
      expect(await warningsOf({ via: 'create', spec: longer })).toEqual([])
    })
  })

  describe('warns', () => {
    test('of a template whose failures are exit codes alone', async () => {
      bench.server.templates.put({
        kind: 'WorkflowTemplate',
        metadata: { name: 'test-workflow-template' },
        spec: {
          entrypoint: 'main',
          arguments: { parameters: [{ name: 'item' }] },
          templates: [{ name: 'main', container: { image: 'busybox' } }],
        },
      })
      expect(await warningsOf()).toEqual([
        expect.stringMatching(/terminationMessagePolicy: FallbackToLogsOnError: main\./u),
      ])
    })

    test.each([
      [
        '3.5.15',
        /^Argo v3\.5\.15 has published vulnerabilities \(.*CVE-2026-54526\): use 3\.7\.15, 4\.0\.6 or later$/u,
      ],
      ['3.7.18', undefined],
      ['4.0.10', undefined],
      ['4.1.2', undefined],
    ] as const)('of the vulnerabilities of a version: %s', async (version, words) => {
      await bench.close()
      bench = await ArgoBench.start({ runtime: fastClock, version })
      const warnings = await warningsOf()
      expect(warnings).toHaveLength(words === undefined ? 0 : 1)
      expect(warnings.join()).toMatch(words ?? /^$/u)
    })

    test('of a token of an SSO session', async () => {
      bench.server.rotateToken('v2:eyJhbGciOiJkaXIifQ..x.y.z')
      const [warning = '', ...others] = await warningsOf({ token: 'v2:eyJhbGciOiJkaXIifQ..x.y.z' })
      expect(warning).toMatch(/SSO session: .* use the token of a service account/u)
      expect(others).toEqual([])
    })

    test('of options that templateReferencing may forbid, by their names, and what lifts that', async () => {
      const [warning = '', ...others] = await warningsOf({
        via: 'create',
        serviceAccount: 'runner',
        podPriorityClass: 'low',
        overridesFrom: '$.argo',
        spec: { onExit: 'main', ttlStrategy: { secondsAfterCompletion: 3_600 } },
      })
      expect(warning).toContain(
        "WORKFLOW_USER_OVERRIDE_ALLOWLIST names their fields; the server doesn't report that setting: " +
          'serviceAccount (serviceAccountName), podPriorityClass (podPriorityClassName), spec.onExit, what items set of these at $.argo',
      )
      expect(others).toEqual([])
    })

    test('of no option that always runs', async () => {
      const spec = { ttlStrategy: { secondsAfterCompletion: 3_600 }, activeDeadlineSeconds: 60, podGC: {} }
      expect(await warningsOf({ via: 'create', priority: 'item', entrypoint: 'main', spec })).toEqual([])
    })
  })

  test.each(['list workflows', 'get workflows', 'create workflows', 'watch workflows'])(
    'names the permission that is missing: %s',
    async (permission) => {
      bench.server.access.denied.add(permission)
      const error = await check()
      expect(error).toMatchObject({ code: 'SLUICE_WORKER_DENIED' })
      expect(error).toHaveProperty('message', expect.stringContaining(`namespace argo: ${permission} (403`))
      expect(error).toHaveProperty('message', expect.stringContaining('rbac.yaml'))
    },
  )

  test('names all of them at once', async () => {
    for (const permission of ['create workflows', 'watch workflows'])
      bench.server.access.denied.add(permission)
    expect(await check()).toHaveProperty(
      'message',
      expect.stringMatching(/create workflows \(.*; watch workflows \(/u),
    )
  })

  test('goes without the permission to read templates, where the server reads them by itself', async () => {
    bench.server.access.denied.add('get workflowtemplates')
    expect(await check({ parameters: { nonsense: '$' } })).toBeUndefined()
  })

  test('names that permission too where a submit needs it: before v3.7', async () => {
    await bench.close()
    const denied = ['get workflowtemplates', 'watch workflows']
    bench = await ArgoBench.start({ runtime: fastClock, version: '3.6.19', denied })
    expect(await check()).toHaveProperty(
      'message',
      expect.stringMatching(/watch workflows \(403.*; get workflowtemplates \(403/u),
    )
    expect(bench.server.workflows.size).toBe(0)
  })

  test('waits for a refusal of the watch that comes late', async () => {
    bench.server.access.denied.add('watch workflows')
    // More than a second of real time.
    bench.server.main.latencyMs = ({ operation }) => (operation === 'WatchWorkflows' ? 60_000 : 0)
    expect(await check()).toMatchObject({ code: 'SLUICE_WORKER_DENIED' })
  })

  test.each<[string, Partial<ArgoWorkerOptions>, string, RegExp]>([
    ['a token that is refused', { token: 'no' }, 'SLUICE_WORKER_DENIED', /token/u],
    [
      'a template that isn’t there',
      { template: 'nothing' },
      'SLUICE_CONFIG_INVALID',
      /no WorkflowTemplate nothing in namespace argo/u,
    ],
    [
      'a mapping that doesn’t fit',
      { parameters: { itm: '@id' } },
      'SLUICE_CONFIG_INVALID',
      /requires item.*no parameter itm/u,
    ],
    [
      'a constant that isn’t allowed',
      { parameters: { item: '@id', mode: 'dance' } },
      'SLUICE_CONFIG_INVALID',
      /only succeed/u,
    ],
    [
      'a constant that isn’t allowed, as it is encoded',
      { parameters: { item: '@id', mode: { from: 'succeed', as: 'json' } } },
      'SLUICE_CONFIG_INVALID',
      /only succeed.*not "\\"succeed\\""/u,
    ],
    [
      'another instance',
      { instanceId: 'blue' },
      'SLUICE_CONFIG_INVALID',
      /instance id is to be "blue".*has none/u,
    ],
    [
      'an unreachable server',
      { baseUrl: 'http://127.0.0.1:9' },
      'SLUICE_WORKER_UNAVAILABLE',
      /no answer \(ECONNREFUSED at http:\/\/127\.0\.0\.1:9\)/u,
    ],
  ])('says what is wrong: %s', async (_, options, code, message) => {
    const error = await check(options)
    expect(error).toMatchObject({ code })
    expect(error).toHaveProperty('message', expect.stringMatching(message))
  })

  test.each<[string, Partial<ArgoWorkerOptions>]>([
    ['the token is refused', { token: 'no' }],
    ['there is no such template', { template: 'nothing' }],
  ])('where %s it says that alone, and nothing of Argo that checks parameters', async (_, options) => {
    const warnings: string[] = []
    const error = await check({ ...options, logger: listening(warnings) })
    expect(isSluiceError(error)).toBe(true)
    expect(String(error)).not.toMatch(/data:|grpc_code/u)
    expect(warnings).toEqual([])
  })

  test('where only the template can’t be read it passes, and warns', async () => {
    bench.server.access.denied.add('get workflowtemplates')
    const warnings: string[] = []
    expect(await check({ logger: listening(warnings) })).toBeUndefined()
    expect(warnings).toEqual([expect.stringContaining('checked by Argo alone')])
  })

  test('the first that passes logs the selector of the workflows, once', async () => {
    const told: object[] = []
    const logger = { ...silentLogger, info: (fields: object) => void told.push(fields) }
    const worker = await bench.open({ logger })
    bench.server.access.denied.add('list workflows')
    await expect(worker.check()).rejects.toMatchObject({ code: 'SLUICE_WORKER_DENIED' })
    expect(told).toEqual([])
    bench.server.access.denied.clear()
    await worker.check()
    await worker.check()
    expect(told).toEqual([{ selector: 'sluice/queue=tiles-2e312793e489' }, { roomBytes: expect.any(Number) }])
    await send(worker, jobOf('a'))
    expect(bench.server.workflows.all('sluice/queue=tiles-2e312793e489')).toHaveLength(1)
  })

  test('https where no TLS is spoken: it says what to try', async () => {
    const baseUrl = bench.server.url.replace('http:', 'https:')
    expect(await check({ baseUrl })).toMatchObject({
      code: 'SLUICE_WORKER_UNAVAILABLE',
      message: expect.stringContaining('baseUrl should begin with http://'),
    })
  })

  test('takes a wrong path for what it is, whatever answers there', async () => {
    const options = { baseUrl: `${bench.server.url}/somewhere` }
    expect(await check(options)).toMatchObject({
      code: 'SLUICE_CONFIG_INVALID',
      message: expect.stringContaining('no Argo Server'),
    })
    bench.server.main.onRequest = () => answerWith('not-implemented')
    expect(await check()).toMatchObject({ code: 'SLUICE_CONFIG_INVALID' })
  })

  test('takes a wrong namespace for a mistake in the settings, and says which one to correct', async () => {
    const error = await check({ namespace: 'nope', baseUrl: `${bench.server.url}/` })
    expect(error).toMatchObject({ code: 'SLUICE_CONFIG_INVALID' })
    const { message } = Object(error)
    expect(message).toContain(`no namespace nope in the cluster of ${bench.server.url} (404 namespaces`)
    expect(message).toContain('the option `namespace` (`worker.namespace`')
  })

  test('the same where already a list says so', async () => {
    bench.server.main.onRequest = ({ operation }) =>
      operation === 'ListWorkflows' ? NO_NAMESPACE : undefined
    expect(await check()).toMatchObject({ code: 'SLUICE_CONFIG_INVALID' })
  })

  test('where the token permits nothing in the namespace, that may be the wrong one', async () => {
    bench.server.access.denied.add('list workflows')
    expect(await check()).toHaveProperty('message', expect.stringContaining('`worker.namespace`'))
  })

  test('passes on the right instance', async () => {
    await bench.close()
    bench = await ArgoBench.start({ runtime: fastClock, instanceId: 'blue' })
    expect(await check({ instanceId: 'blue' })).toBeUndefined()
  })
})

describe('the token', () => {
  test('of a file is read again when it is replaced', async () => {
    const tokenFile = join(folder, 'token')
    await writeFile(tokenFile, `${bench.server.token}\n`)
    const worker = await bench.open({ token: undefined, tokenFile, runtime: longClock() })
    await send(worker, jobOf('a'))
    bench.server.rotateToken('another')
    await writeFile(tokenFile, 'another')
    await send(worker, jobOf('b'))
    expect((await worker.pollAllStatus()).size).toBe(2)
  })

  test('that was replaced a moment ago is read again at the refusal, before it is reported', async () => {
    const tokenFile = join(folder, 'token')
    await writeFile(tokenFile, bench.server.token)
    const worker = await bench.open({ token: undefined, tokenFile })
    await send(worker, jobOf('a'))
    bench.server.rotateToken('another')
    await writeFile(tokenFile, 'another')
    await Promise.all(['b', 'c', 'd'].map((id) => send(worker, jobOf(id))))
    expect((await worker.pollAllStatus()).size).toBe(4)
  })

  test('that isn’t replaced yet denies; once it is, the work goes on by itself', async () => {
    const tokenFile = join(folder, 'token')
    await writeFile(tokenFile, bench.server.token)
    const worker = await bench.open({ token: undefined, tokenFile })
    await send(worker, jobOf('a'))
    bench.server.rotateToken('another')
    const denied = { code: 'SLUICE_WORKER_DENIED' }
    await expect(send(worker, jobOf('b'))).rejects.toMatchObject(denied)
    await expect(worker.pollAllStatus()).rejects.toMatchObject(denied)
    await expect(worker.lookupJob(jobOf('a'))).rejects.toMatchObject(denied)
    await writeFile(tokenFile, 'another')
    await send(worker, jobOf('b'))
    expect((await worker.pollAllStatus()).size).toBe(2)
  })

  test('of a file that isn’t there denies, until it is there', async () => {
    const tokenFile = join(folder, 'token')
    const worker = await bench.open({ token: undefined, tokenFile, runtime: longClock() })
    await expect(send(worker, jobOf('a'))).rejects.toMatchObject({
      code: 'SLUICE_WORKER_DENIED',
      message: expect.stringContaining('ENOENT'),
    })
    await writeFile(tokenFile, '  \n')
    await expect(send(worker, jobOf('a'))).rejects.toThrow(/empty/u)
    await unlink(tokenFile)
    await writeFile(tokenFile, `Bearer ${bench.server.token}`)
    await send(worker, jobOf('a'))
  })

  test('of a command is fetched once, and again when it is refused', async () => {
    const script = `const fs = require('node:fs'); fs.appendFileSync('${folder}/runs', 'x'); process.stdout.write(fs.readFileSync('${folder}/token', 'utf8'))`
    await writeFile(join(folder, 'token'), bench.server.token)
    const worker = await bench.open({
      token: undefined,
      tokenCommand: [process.execPath, '-e', script],
    })
    await Promise.all(['a', 'b', 'c'].map((id) => send(worker, jobOf(id))))
    expect(await readFile(join(folder, 'runs'), 'utf8')).toBe('x')
    bench.server.rotateToken('another')
    await writeFile(join(folder, 'token'), 'another')
    await Promise.all(['d', 'e', 'f'].map((id) => send(worker, jobOf(id))))
    expect(await readFile(join(folder, 'runs'), 'utf8')).toBe('xx')
  })

  test('of a command that fails denies, and what it printed stays unsaid', async () => {
    const tokenCommand = [
      process.execPath,
      '-e',
      'console.log("secret"); console.error("secret"); process.exit(3)',
    ]
    const worker = await bench.open({ token: undefined, tokenCommand })
    const error: unknown = await send(worker, jobOf('a')).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'SLUICE_WORKER_DENIED', message: expect.stringContaining('(3)') })
    expect(JSON.stringify([error, String(error), Reflect.get(Object(error), 'cause')])).not.toContain(
      'secret',
    )
  })

  test('may be none, where the server acts for itself', async () => {
    await bench.close()
    bench = await ArgoBench.start({ serverMode: true })
    const worker = await bench.open({ token: undefined })
    await send(worker, jobOf('a'))
    expect(bench.server.workflows.size).toBe(1)
  })
})

describe('over TLS', () => {
  /** Of `localhost`, by itself, for a hundred years, and for these tests alone. */
  const certificates = join(import.meta.dirname, '..', 'certificate')

  /** A proxy in front of the server that serves it under a path, as an ingress does. */
  async function proxied(path: string) {
    const [key, cert] = await Promise.all(
      ['key.pem', 'ca.pem'].map((file) => readFile(join(certificates, file))),
    )
    const proxy = createServer({ key, cert }, (incoming, reply) => {
      const target = new URL(bench.server.url + (incoming.url ?? '').replace(path, ''))
      const onward = request(target, { method: incoming.method, headers: incoming.headers }, (answer) => {
        reply.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(reply)
      })
      incoming.pipe(onward)
    })
    await new Promise<void>((resolve) => proxy.listen(0, resolve))
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on a port
    const { port } = proxy.address() as AddressInfo
    return { proxy, baseUrl: `https://localhost:${port}${path}/` }
  }

  test('a certificate is checked against caFile, or not at all if so wished; a base path is kept', async () => {
    const { proxy, baseUrl } = await proxied('/argo')
    try {
      const strict = await bench.open({ baseUrl })
      const refused = strict.check()
      await expect(refused).rejects.toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
      await expect(refused).rejects.toThrow(/DEPTH_ZERO_SELF_SIGNED_CERT/u)
      for (const more of [{ caFile: join(certificates, 'ca.pem') }, { insecureSkipVerify: true }]) {
        const worker = await bench.open({ baseUrl, ...more })
        await worker.check()
        await send(worker, jobOf(JSON.stringify(more)))
        expect((await worker.pollAllStatus()).size).toBeGreaterThan(0)
      }
    } finally {
      proxy.closeAllConnections()
      proxy.close()
    }
  })
})
