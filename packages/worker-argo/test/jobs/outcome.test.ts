import { failureGroupOf, silentLogger } from '@sluice/core'
import { ManualRuntime } from '@sluice/testkit'
import { answerWith, endings, podRefusals, type ArgoWorkflow, type Ending } from '@sluice/fake-argo'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { failedNode } from '../../src/workflow/failed-node.js'
import { FAILURES, failureClassOf } from '../../src/workflow/failure-class.js'
import type { ArgoWorker, ArgoWorkerOptions } from '../../src/index.js'
import { nameJob } from '../../src/jobs/job-name.js'
import { reportOf } from '../../src/jobs/job-report.js'
import { workflowSchema } from '../../src/workflow/workflow.js'
import { ArgoBench, eventually, fastClock, jobOf, send } from '../argo-bench.js'

const A = jobOf('a')

describe('the class of a failure', () => {
  test.each<['Failed' | 'Error', string | undefined, string | undefined, number | undefined, string]>([
    ['Failed', "child 'a' failed", 'Error (exit code 1)', 1, 'failed'],
    ['Failed', 'Error (exit code 1)', undefined, 1, 'failed'],
    ['Failed', undefined, undefined, undefined, 'failed'],
    ['Failed', "Stopped with strategy 'Terminate'", undefined, undefined, 'killed'],
    ['Failed', "Stopped with strategy 'Stop'", 'workflow shutdown with strategy:  Stop', undefined, 'killed'],
    ['Failed', "child 'a' failed", 'OOMKilled (exit code 137)', 137, 'oom'],
    ['Failed', 'Step exceeded its deadline', undefined, undefined, 'timeout'],
    [
      'Failed',
      "child 'a' failed",
      'Pod was active on the node longer than the specified deadline',
      143,
      'timeout',
    ],
    ['Failed', 'Max duration limit exceeded', undefined, undefined, 'timeout'],
    ['Failed', "child 'a' failed", 'The node was low on resource: memory. Evicted', 137, 'evicted'],
    ['Error', 'pod deleted', undefined, undefined, 'evicted'],
    [
      'Error',
      "child 'a' failed",
      'Pod was terminated in response to imminent node shutdown.',
      undefined,
      'evicted',
    ],
    ['Error', 'workflowtemplates.argoproj.io "x" not found', undefined, undefined, 'error'],
    ['Failed', 'invalid spec: templates.main is bad', undefined, undefined, 'error'],
    ['Failed', "child 'a' failed", 'main: Error (exit code 137)', 137, 'evicted'],
    ['Failed', "child 'a' failed", 'main: Error (exit code 143)', 143, 'evicted'],
    ['Error', "child 'a' failed", 'main: Error (exit code 143)', 143, 'evicted'],
    ['Failed', 'main: Error (exit code 143)', undefined, undefined, 'evicted'],
    ['Failed', 'main: Error (exit code 1430)', undefined, undefined, 'failed'],
    ['Failed', 'main: Error (exit code 1)', undefined, 1, 'failed'],
    ['Failed', "child 'a' failed", 'main: OOMKilled (exit code 137)', 137, 'oom'],
    ['Error', undefined, 'wait: Error (exit code 64)', undefined, 'error'],
  ])('%s, %j, node %j, exit code %s: %s', (phase, message, nodeMessage, exitCode, failureClass) => {
    const facts = { phase, message, nodeMessage, exitCode }
    expect(failureClassOf({ ...facts, toldToEnd: false })).toBe(failureClass)
  })

  test.each([137, 143])('by exit code %i is killed where it was told to end', (exitCode) => {
    const message = `main: Error (exit code ${exitCode})`
    const facts = { phase: 'Failed' as const, message, nodeMessage: message, exitCode }
    expect(failureClassOf({ ...facts, toldToEnd: true })).toBe('killed')
    expect(failureClassOf({ ...facts, toldToEnd: false })).toBe('evicted')
  })

  test('a program’s own exit code makes a failure of the kind that the worker names it for', () => {
    const facts = { phase: 'Failed', message: undefined, nodeMessage: undefined, toldToEnd: false } as const
    const codes = Array.from({ length: 255 }, (_, at) => at + 1)
    const failed = codes.filter((exitCode) => failureClassOf({ ...facts, exitCode }) === 'failed')
    expect(FAILURES.find(({ failureClass }) => failureClass === 'failed')?.exitCodes).toEqual(failed)
    expect(failed).not.toContain(137)
  })
})

const node = (id: string, phase: string, finishedAt: string, children: string[] = []) => ({
  id,
  phase,
  finishedAt,
  children,
})
const workflow = (nodes: object) =>
  workflowSchema.parse({ metadata: { name: 'w', uid: 'u' }, status: { phase: 'Failed', nodes } })

describe('the node to blame', () => {
  test('is not one whose failure is tolerated by what comes after it, be it inside of another', () => {
    const nodes = {
      w: { ...node('w', 'Failed', '2026-01-01T00:00:09Z', ['optional', 'needed']), type: 'DAG' },
      optional: { ...node('optional', 'Failed', '2026-01-01T00:00:03Z', ['inner']), type: 'DAG' },
      inner: node('inner', 'Failed', '2026-01-01T00:00:02Z', ['after']),
      after: node('after', 'Succeeded', '2026-01-01T00:00:04Z', ['skipped']),
      skipped: node('skipped', 'Omitted', '2026-01-01T00:00:04Z'),
      needed: node('needed', 'Failed', '2026-01-01T00:00:05Z', ['omitted']),
      omitted: node('omitted', 'Omitted', '2026-01-01T00:00:06Z'),
    }
    expect(failedNode(workflow(nodes))?.id).toBe('needed')
  })

  test('is the last try of those that a step had, and no try of one that went well in the end', () => {
    const nodes = {
      w: { ...node('w', 'Failed', '2026-01-01T00:00:09Z', ['good', 'bad']), type: 'DAG' },
      good: { ...node('good', 'Succeeded', '2026-01-01T00:00:02Z', ['good0', 'good1']), type: 'Retry' },
      good0: node('good0', 'Failed', '2026-01-01T00:00:01Z'),
      good1: node('good1', 'Succeeded', '2026-01-01T00:00:02Z'),
      bad: { ...node('bad', 'Failed', '2026-01-01T00:00:08Z', ['bad0', 'bad1']), type: 'Retry' },
      bad0: node('bad0', 'Failed', '2026-01-01T00:00:03Z'),
      bad1: node('bad1', 'Error', '2026-01-01T00:00:04Z'),
    }
    expect(failedNode(workflow(nodes))?.id).toBe('bad1')
  })

  test('is the one that Argo names', () => {
    const nodes = {
      w: {
        ...node('w', 'Failed', '2026-01-01T00:00:09Z', ['a', 'b']),
        type: 'StepGroup',
        message: "child 'b' failed",
      },
      a: node('a', 'Failed', '2026-01-01T00:00:01Z'),
      b: node('b', 'Failed', '2026-01-01T00:00:02Z'),
    }
    expect(failedNode(workflow(nodes))?.id).toBe('b')
  })

  test('may be one that only holds others: its own deadline passed', () => {
    const nodes = {
      w: { ...node('w', 'Failed', '2026-01-01T00:00:09Z', ['done', 'late']), type: 'DAG' },
      done: node('done', 'Succeeded', '2026-01-01T00:00:01Z'),
      late: { ...node('late', 'Failed', '2026-01-01T00:00:02Z', ['inner']), type: 'Steps' },
      inner: node('inner', 'Succeeded', '2026-01-01T00:00:01Z'),
    }
    expect(failedNode(workflow(nodes))?.id).toBe('late')
    expect(
      failedNode(workflow({ w: node('w', 'Failed', '2026-01-01T00:00:09Z', ['done']), done: nodes.done }))
        ?.id,
    ).toBe('w')
  })

  test('is found in a graph that leads back to itself', () => {
    const nodes = {
      w: { ...node('w', 'Failed', '2026-01-01T00:00:09Z', ['a']), type: 'DAG' },
      a: node('a', 'Failed', '2026-01-01T00:00:01Z', ['w']),
    }
    expect(failedNode(workflow(nodes))).toBeDefined()
  })

  test('is the one that failed first, of those without a child that did', () => {
    const nodes = {
      w: node('w', 'Failed', '2026-01-01T00:00:09Z', ['late', 'early', 'good']),
      late: node('late', 'Failed', '2026-01-01T00:00:08Z'),
      early: node('early', 'Error', '2026-01-01T00:00:02Z'),
      good: node('good', 'Succeeded', '2026-01-01T00:00:01Z'),
    }
    expect(failedNode(workflow(nodes))?.id).toBe('early')
  })

  test('may be nowhere', () => {
    expect(failedNode(workflow({}))).toBeUndefined()
    expect(failedNode(workflow({ gone: node('gone', 'Succeeded', '', ['nowhere']) }))).toBeUndefined()
  })
})

test.each([
  ['Succeeded', 'Terminate', '0/0', {}, 'FAIL'],
  ['Succeeded', 'Terminate', '1/1', {}, 'SUCCESS'],
  ['Succeeded', undefined, '0/0', {}, 'SUCCESS'],
  ['Succeeded', 'Stop', '0/1', { n: { phase: 'Succeeded' } }, 'SUCCESS'],
  ['Dancing', undefined, '0/1', {}, 'PROCESSING'],
  ['', undefined, '', {}, 'PROCESSING'],
])('phase %j, shut down by %s, progress %s: %s', (phase, shutdown, progress, nodes, stage) => {
  const workflow = workflowSchema.parse({
    metadata: { name: 'w', uid: 'u' },
    spec: { shutdown },
    status: { phase, progress, nodes },
  })
  const context = { job: nameJob('q', A), namespace: 'argo', uiUrl: 'https://argo.example.org' }
  expect(reportOf(workflow, context).stage).toBe(stage)
})

/** The controller looks at nothing but what it is told to stop. */
function onlyWhatIsToStop({ spec }: ArgoWorkflow): number {
  return spec['shutdown'] === undefined ? Number.POSITIVE_INFINITY : 0
}

function reported(worker: ArgoWorker) {
  return worker.pollAllStatus([A]).then((reports) => reports.get('a'))
}

describe('on a server', () => {
  let bench: ArgoBench
  let logged: { level: string; message: string }[]
  beforeEach(async () => {
    bench = await ArgoBench.start({ controller: { reconcileDelayMs: 0 } })
    logged = []
  })
  afterEach(() => bench.close())

  const log = (level: string) => (_: object, message: string) => void logged.push({ level, message })
  const logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }

  async function running(options: Partial<ArgoWorkerOptions> = {}) {
    const worker = await bench.open({ logger, ...options })
    await send(worker, A, { mode: 'hang' })
    await worker.pollAllStatus([A])
    return { worker, name: bench.nameOf(A), server: bench.server }
  }

  test('a success has its outputs, its times and a link', async () => {
    const { worker, name, server } = await running({ uiUrl: 'https://ui.example.org/argo/' })
    const { uid } = server.workflows.get(name)!.metadata
    server.workflows.finish(name, { outputs: { result: '{"n":1}', size: '3' } })
    const report = await reported(worker)
    expect(report).toMatchObject({
      stage: 'SUCCESS',
      uid: A.uid,
      attempt: 1,
      result: { result: '{"n":1}', size: '3' },
      url: `https://ui.example.org/argo/workflows/argo/${name}?uid=${uid}`,
      details: { workflow: name, namespace: 'argo', workflowUid: uid, phase: 'Succeeded', progress: '1/1' },
    })
    expect(report?.finishedAt).toBeGreaterThanOrEqual(report?.startedAt ?? Number.NaN)
    expect(report).not.toHaveProperty('failureClass')
    expect(report).not.toHaveProperty('exitCode')
    expect(report?.jobUid).toBe(uid)
  })

  test('a failure has its node, its exit code and its reason', async () => {
    const { worker, name, server } = await running()
    server.workflows.finish(name, { phase: 'Failed', exitCode: 7, message: 'Error (exit code 7)' })
    expect(await reported(worker)).toMatchObject({
      stage: 'FAIL',
      failureClass: 'failed',
      message: 'main: Error (exit code 7)',
      exitCode: 7,
      details: { exitCode: 7, failedNode: { template: 'main', phase: 'Failed' }, phase: 'Failed' },
    })
  })

  test.each([
    [
      'a bar behind the error',
      `ValueError: no such chromosome\n${Array.from({ length: 20 }, (_, at) => `\r ${at}%|####      | ${at}/300 [00:01<00:02, 99.5it/s]`).join('')}`,
      'ValueError: no such chromosome\n 19%|####      | 19/300 [00:01<00:02, 99.5it/s]',
    ],
    [
      'a bar that the error is written over',
      '\r 10%|#  | 1/10\r 20%|## | 2/10\rValueError: x\n',
      'ValueError: x',
    ],
    [
      'a line that is erased, and colors',
      'Loading 10%\u001B[2K\r\u001B[31mdisk full\u001B[0m\n',
      'disk full',
    ],
    ['backspaces', 'Loading  10%\b\b\b20%\n', 'Loading  20%'],
    ['nothing but what was erased', 'Loading\u001B[2K', undefined],
  ])('of %s the reason has what a terminal would show', async (_, written, shown) => {
    const { worker, name, server } = await running()
    server.workflows.finish(name, {
      phase: 'Failed',
      exitCode: 1,
      message: `Error (exit code 1): ${written}`,
    })
    const why = shown === undefined ? 'Error (exit code 1)' : `Error (exit code 1): ${shown}`
    const report = await reported(worker)
    expect(report).toMatchObject({ message: `main: ${why}`, details: { failedNode: { message: why } } })
    expect(failureGroupOf({ id: 'a', reason: report?.message }).template).toMatch(
      shown === undefined
        ? /exit code 1\)$/
        : /(?:ValueError: (?:no such chromosome|x)|disk full|Loading <n>%)$/,
    )
  })

  describe('where a progress bar takes all that Kubernetes keeps of a log', () => {
    const bar = Array.from(
      { length: 300 },
      (_, at) => `\r ${at}/300 |####      | [00:01<00:02, 99.5it/s, ü]`,
    ).join('')
    const kept = Buffer.from(bar).subarray(-2_048).toString('utf8')
    const ending = { phase: 'Failed', exitCode: 1, message: `Error (exit code 1): ${kept}` } as const
    const last = ' 299/300 |####      | [00:01<00:02, 99.5it/s, ü]'

    test('the reason has the line before it, from the log', async () => {
      const { worker, name, server } = await running()
      server.workflows.writeLog(
        name,
        `${'x'.repeat(3_000)}\nReading chr.fa\nValueError: no such chromosome\n${bar}\n`,
      )
      server.workflows.finish(name, ending)
      const report = await reported(worker)
      expect(report?.message).toBe(
        `main: Error (exit code 1): Reading chr.fa\nValueError: no such chromosome\n${last}`,
      )
      expect(failureGroupOf({ id: 'a', reason: report?.message }).template).toMatch(
        /ValueError: no such chromosome$/,
      )
    })

    test('and what was kept, where the log is gone, or may not be read', async () => {
      const { worker, name, server } = await running()
      server.workflows.writeLog(name, `ValueError: x\n${bar}\n`)
      server.access.denied.add('list pods')
      server.workflows.finish(name, ending)
      expect((await reported(worker))?.message).toMatch(/^main: Error \(exit code 1\): .*299\/300 [^\n]*$/u)
    })

    test('no log is read for a failure that says why', async () => {
      const { worker, name, server } = await running()
      server.workflows.finish(name, { ...ending, message: `Error (exit code 1): ${'x'.repeat(3_000)}` })
      await reported(worker)
      expect(server.main.requests.filter(({ operation }) => /log/iu.test(operation))).toEqual([])
    })
  })

  test.each<[string, Ending, object]>([
    [
      'no memory',
      endings.outOfMemory(),
      {
        failureClass: 'oom',
        message: 'main: OOMKilled (exit code 137)',
        exitCode: 137,
        details: { exitCode: 137 },
      },
    ],
    [
      'a pod’s deadline',
      endings.podDeadline(),
      { failureClass: 'timeout', message: expect.stringContaining('specified deadline') },
    ],
    ['a step’s deadline', endings.stepDeadline(), { failureClass: 'timeout' }],
    [
      'a signal that was not requested',
      { phase: 'Failed', exitCode: 143 },
      {
        failureClass: 'evicted',
        message: 'main: Error (exit code 143)',
        exitCode: 143,
        details: { exitCode: 143 },
      },
    ],
    [
      'an error of the whole',
      endings.workflowErred('etcdserver: request is too large'),
      { failureClass: 'error', message: 'etcdserver: request is too large' },
    ],
    [
      'a used-up retryStrategy',
      endings.retriesUsedUp([1, 2, 3]),
      {
        failureClass: 'failed',
        message: 'main: Error (exit code 3)',
        exitCode: 3,
        details: { exitCode: 3, message: 'No more retries left' },
      },
    ],
    [
      'a dag with a tolerated failure',
      endings.toleratedFailure(5),
      {
        failureClass: 'failed',
        message: 'needed: Error (exit code 5)',
        exitCode: 5,
        details: { exitCode: 5, failedNode: { name: 'needed' } },
      },
    ],
    [
      'an exit handler',
      endings.exitHandlerFailed(4),
      {
        failureClass: 'failed',
        message: 'tidy: Error (exit code 4)',
        exitCode: 4,
        details: { exitCode: 4, notes: ['the work itself was done; its exit handler failed'] },
      },
    ],
  ])('a failure by %s says so', async (_, ending, expected) => {
    const { worker, name, server } = await running()
    server.workflows.finish(name, ending)
    expect(await reported(worker)).toMatchObject({ stage: 'FAIL', ...expected })
    expect(await worker.lookupJob(A)).toMatchObject({ stage: 'FAIL', ...expected })
  })

  test.each([
    ['a LimitRange', podRefusals.limitRange(), 'pods "<workflow>" is forbidden: [maximum cpu usage'],
    ['Pod Security', podRefusals.podSecurity(), 'pods "<workflow>" is forbidden: violates PodSecurity'],
  ])(
    'pods that %s refuses are one group of errors, whatever the ids of their items',
    async (_, refusal, words) => {
      bench.server.controller.settings.podRefusal = refusal
      const worker = await bench.open({})
      const ids = ['alpha', 'Evicted on the spot', 'deadline_1', 'a/b', 'ü']
      for (const id of ids) await send(worker, jobOf(id))
      const reports = await worker.pollAllStatus(ids.map((id) => jobOf(id)))
      const groups = ids.map((id) => {
        const { message, failureClass } = reports.get(id) ?? {}
        expect(message).toContain(words)
        return failureGroupOf({ id, reason: message, failureClass }).id
      })
      expect(new Set(groups).size).toBe(1)
      expect(reports.get('a/b')).toMatchObject({ stage: 'FAIL', failureClass: 'error' })
      expect(reports.get('a/b')).not.toHaveProperty('exitCode')
    },
  )

  test('an error that is none of the program’s has no exit code: the program’s is 0', async () => {
    const { worker, name, server } = await running()
    server.workflows.finish(name, endings.outputMissing())
    const report = await reported(worker)
    expect(report).toMatchObject({ failureClass: 'error', message: expect.stringContaining('exit code 64') })
    expect(report?.details).not.toHaveProperty('exitCode')
    expect(report).not.toHaveProperty('exitCode')
  })

  test.each([
    [false, 'dies', { stage: 'FAIL', failureClass: 'evicted', message: 'main: pod deleted' }],
    [true, 'dies', { stage: 'FAIL', failureClass: 'evicted', exitCode: 143, details: { exitCode: 143 } }],
    // Nothing is left that could tell: see the README.
    [true, 'exits-0', { stage: 'SUCCESS' }],
  ] as const)(
    'whose pod the cluster takes (its status seen: %s, at SIGTERM it %s) is not told to have been killed',
    async (captured, atSigterm, expected) => {
      bench.server.controller.settings.outcome = () => ({ afterMs: Number.POSITIVE_INFINITY, atSigterm })
      const { worker, name, server } = await running()
      server.operator.takePod(name, captured)
      expect(await reported(worker)).toMatchObject(expected)
    },
  )

  describe('whose program takes SIGTERM and exits 0', () => {
    const ENDED = { level: 'warn', message: expect.stringContaining('told to end, and its program exited 0') }

    beforeEach(() => {
      bench.server.controller.settings.outcome = () => ({
        afterMs: Number.POSITIVE_INFINITY,
        atSigterm: 'exits-0',
      })
    })

    test.each(['stop', 'terminate'] as const)(
      'told to %s by an operator: SUCCESS, with a note, a log line',
      async (verb) => {
        const { worker, name, server } = await running()
        server.operator[verb](name)
        await eventually('it has ended', () => server.workflows.get(name)?.status.finishedAt !== null)
        expect(server.workflows.get(name)?.status).toMatchObject({ phase: 'Succeeded' })
        const strategy = verb === 'stop' ? 'Stop' : 'Terminate'
        const message = `ended well although it was told to end (${strategy})`
        const expected = { stage: 'SUCCESS', message, details: { shutdown: strategy, notes: [message] } }
        expect(await reported(worker)).toMatchObject(expected)
        expect(await worker.lookupJob(A)).toMatchObject(expected)
        expect(logged.filter(({ message: said }) => said.includes('exited 0'))).toHaveLength(1)
        expect(logged).toContainEqual(ENDED)
        const next = await bench.open()
        expect(await next.lookupJob(A)).toMatchObject(expected)
        const last = await bench.open()
        expect((await last.pollAllStatus()).get('a')).toMatchObject(expected)
      },
    )

    test('the label of the action tells where the spec does not', () => {
      const workflow = workflowSchema.parse({
        metadata: { name: 'w', uid: 'u', labels: { 'workflows.argoproj.io/action': 'Stop' } },
        status: { phase: 'Succeeded', progress: '1/1' },
      })
      const context = { job: nameJob('q', A), namespace: 'argo', uiUrl: 'https://argo.example.org' }
      expect(reportOf(workflow, context)).toMatchObject({ stage: 'SUCCESS', details: { shutdown: 'Stop' } })
    })

    test('cancelled: SUCCESS, and the reason of the cancel is said', async () => {
      const { worker } = await running()
      await worker.cancelJob(A, 'no longer wanted')
      await eventually('it has ended', async () => (await reported(worker))?.stage === 'SUCCESS')
      expect(await worker.lookupJob(A)).toMatchObject({
        stage: 'SUCCESS',
        message: 'ended well although it was told to end (Terminate): no longer wanted',
      })
    })

    test('on 3.7.18 it is a failure, and was killed', async () => {
      const { settings } = bench.server.controller
      await bench.close()
      bench = await ArgoBench.start({ version: '3.7.18', controller: settings })
      const { worker } = await running()
      await worker.cancelJob(A, 'no longer wanted')
      await eventually('it has ended', async () => (await reported(worker))?.stage === 'FAIL')
      expect(await worker.lookupJob(A)).toMatchObject({
        failureClass: 'killed',
        details: { shutdown: 'Terminate' },
      })
      expect(logged).not.toContainEqual(ENDED)
    })
  })

  test('a controller that may not stop its program lets it run to its end: SUCCESS, with a note', async () => {
    bench.server.controller.settings.mayExec = false
    const { worker, name, server } = await running()
    await worker.cancelJob(A, 'no longer wanted')
    await eventually('its node says so', () =>
      JSON.stringify(server.workflows.get(name)?.status.nodes).includes('workflow shutdown'),
    )
    expect(await reported(worker)).toMatchObject({ stage: 'PROCESSING', details: { shutdown: 'Terminate' } })
    server.workflows.finish(name)
    expect(await reported(worker)).toMatchObject({
      stage: 'SUCCESS',
      details: { notes: [expect.any(String)] },
    })
  })

  test.each([
    ['terminate', 'no longer wanted', /^cancelled: no longer wanted \(/u],
    ['stop', 'cancelled by an operator', /^cancelled by an operator \(/u],
  ] as const)('cancelled by %s it reports FAIL, and why: %s', async (cancel, reason, message) => {
    const { worker } = await running({ cancel })
    await worker.cancelJob(A, reason)
    await eventually('it has ended', async () => (await reported(worker))?.stage === 'FAIL')
    expect(await reported(worker)).toMatchObject({
      failureClass: 'killed',
      message: expect.stringMatching(message),
    })
    await worker.cancelJob(A, 'again')
  })

  test('a cancel that is not permitted says so; one that can’t get through can be repeated', async () => {
    const { worker, server } = await running()
    server.access.denied.add('patch workflows')
    await expect(worker.cancelJob(A, 'x')).rejects.toMatchObject({ code: 'SLUICE_WORKER_DENIED' })
    server.main.onRequest = ({ operation }) =>
      operation === 'TerminateWorkflow' ? { do: 'drop-reply' } : undefined
    server.access.denied.clear()
    await expect(worker.cancelJob(A, 'x')).rejects.toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
    server.main.onRequest = undefined
    await worker.cancelJob(A, 'x')
    await eventually('it has ended', async () => (await reported(worker))?.stage === 'FAIL')
  })

  test.each(['3.5.15', '3.7.18', '4.1.2'] as const)(
    'on %s, terminated as it waits for a lock it reports FAIL, though some versions call that a success',
    async (version) => {
      await bench.close()
      bench = await ArgoBench.start({ version, controller: { reconcileDelayMs: onlyWhatIsToStop } })
      const { worker, name, server } = await running({ cancel: 'terminate' })
      server.workflows.waitForLock(name, 'Waiting for argo/Mutex/one lock. Lock status: 0/1')
      expect(await reported(worker)).toMatchObject({ stage: 'PROCESSING' })
      await worker.cancelJob(A, 'no longer wanted')
      await eventually('it has ended', () => server.workflows.get(name)?.status.finishedAt !== null)
      expect(server.workflows.get(name)?.status.phase).toBe(version === '4.1.2' ? 'Failed' : 'Succeeded')
      const fail = { stage: 'FAIL', failureClass: 'killed' }
      expect(await reported(worker)).toMatchObject(fail)
      const next = await bench.open()
      expect(await next.lookupJob(A)).toMatchObject(fail)
      expect((await next.pollAllStatus()).get('a')).toMatchObject(fail)
      const last = await bench.open()
      expect((await last.pollAllStatus()).get('a')).toMatchObject(fail)
    },
  )

  describe('finished workflows', () => {
    test('stay unless they are to be deleted', async () => {
      const { worker, name, server } = await running()
      server.workflows.finish(name)
      await reported(worker)
      await worker.acknowledgeJobs([A])
      expect(server.workflows.get(name)).toBeDefined()
      expect(await reported(worker)).toBeUndefined()
    })

    test.each([
      ['succeeded', 'Succeeded', false],
      ['succeeded', 'Failed', true],
      ['all', 'Failed', false],
      ['all', 'Error', false],
    ] as const)('deleteFinished %s, one that %s: is there %s', async (deleteFinished, phase, there) => {
      const { worker, name, server } = await running({ deleteFinished, deleteGraceMs: 0 })
      server.workflows.finish(name, { phase })
      await reported(worker)
      await worker.acknowledgeJobs([A])
      await worker.acknowledgeJobs([A])
      await eventually('it is as it is to be', () => (server.workflows.get(name) !== undefined) === there)
      expect(server.traffic().DeleteWorkflow.requests).toBe(there ? 0 : 1)
    })

    test('that an operator has retried are not deleted', async () => {
      const { worker, name, server } = await running({ deleteFinished: 'all', deleteGraceMs: 0 })
      server.workflows.finish(name, { phase: 'Failed' })
      await reported(worker)
      server.operator.retry(name)
      const { requests } = server.traffic().GetWorkflow
      await worker.acknowledgeJobs([A])
      await eventually('it is looked at', () => server.traffic().GetWorkflow.requests > requests)
      await server.settled()
      expect(server.workflows.get(name)).toBeDefined()
      expect(server.traffic().DeleteWorkflow.requests).toBe(0)
    })

    test('that could not be deleted are tried again, logged once, and no longer reported', async () => {
      const warnings: string[] = []
      const logger = { ...silentLogger, warn: (_: object, text: string) => void warnings.push(text) }
      const { worker, name, server } = await running({
        deleteFinished: 'all',
        deleteGraceMs: 0,
        logger,
        runtime: fastClock,
      })
      server.workflows.finish(name)
      await reported(worker)
      server.main.onRequest = ({ operation }) =>
        operation === 'DeleteWorkflow' ? answerWith('unavailable') : undefined
      await worker.acknowledgeJobs([A])
      await eventually('it is tried twice', () => server.traffic().DeleteWorkflow.requests >= 2)
      expect((await worker.pollAllStatus([])).get('a')).toBeUndefined()
      expect(server.workflows.get(name)).toBeDefined()
      server.main.onRequest = undefined
      await eventually('it is deleted', () => server.workflows.get(name) === undefined)
      expect(warnings).toEqual(['a finished workflow could not be deleted; it is tried again'])
    })

    test('of an earlier process that the queue waits for are reported with all their evidence, and deleted then', async () => {
      const { name, server } = await running({ deleteFinished: 'all', deleteGraceMs: 0 })
      server.workflows.finish(name, { outputs: { result: '7' } })
      const next = await bench.open({ deleteFinished: 'all', deleteGraceMs: 0 })
      // Not by the poll: the lists have no outputs. The caller asks by name for what the poll lacks.
      expect((await next.pollAllStatus([A])).get('a')).toBeUndefined()
      expect(await next.lookupJob(A)).toMatchObject({ stage: 'SUCCESS', result: { result: '7' } })
      await next.acknowledgeJobs([A])
      await eventually('it is deleted', () => server.workflows.get(name) === undefined)
    })

    test('whose labels an operator removed are reported with all their evidence', async () => {
      const { worker, name, server } = await running()
      server.workflows.finish(name, { outputs: { result: '7' } })
      server.workflows.relabel(name, {
        'workflows.argoproj.io/completed': undefined,
        'workflows.argoproj.io/phase': undefined,
      })
      const next = await bench.open()
      for (const each of [worker, next]) {
        expect(await reported(each)).toMatchObject({ stage: 'SUCCESS', result: { result: '7' } })
      }
    })

    test('of an earlier process are found once, to be deleted', async () => {
      const { name, server } = await running({ deleteFinished: 'all', deleteGraceMs: 0 })
      server.workflows.finish(name)
      const next = await bench.open({ deleteFinished: 'all', deleteGraceMs: 0 })
      expect((await next.pollAllStatus([])).get('a')).toMatchObject({ stage: 'SUCCESS' })
      await next.acknowledgeJobs([A])
      await eventually('it is deleted', () => server.workflows.get(name) === undefined)
    })
  })

  describe('a failure of a class that is retried in place', () => {
    const retryInPlace = { on: ['evicted', 'error'], limit: 2 }

    test('runs on in the same workflow, so often, and then counts', async () => {
      const { worker, name, server } = await running({ retryInPlace })
      const { uid } = server.workflows.get(name)!.metadata
      for (let retry = 0; retry < 2; retry++) {
        server.operator.deletePod(name)
        expect(await reported(worker)).toMatchObject({ stage: 'PROCESSING' })
        await eventually('it runs again', async () => {
          await reported(worker)
          return server.workflows.get(name)?.status.phase === 'Running'
        })
      }
      server.operator.deletePod(name)
      await eventually('it has failed', async () => (await reported(worker))?.stage === 'FAIL')
      const report = await worker.lookupJob(A)
      expect(report).toMatchObject({
        failureClass: 'evicted',
        details: {
          notes: [expect.stringContaining('retried in place'), expect.stringContaining('retried in place')],
        },
      })
      expect(server.workflows.get(name)?.metadata.uid).toBe(uid)
      expect(server.workflows.size).toBe(1)
      expect(server.traffic().RetryWorkflow.requests).toBe(2)
    })

    test('is left alone when it is not awaited, and when it is of another class', async () => {
      const { worker, name, server } = await running({ retryInPlace })
      server.workflows.finish(name, { phase: 'Failed' })
      expect(await reported(worker)).toMatchObject({ stage: 'FAIL', failureClass: 'failed' })
      const orphan = jobOf('orphan')
      await send(worker, orphan, { mode: 'hang' })
      await worker.pollAllStatus([])
      server.operator.deletePod(bench.nameOf(orphan))
      expect((await worker.pollAllStatus([])).get('orphan')).toMatchObject({
        stage: 'FAIL',
        failureClass: 'evicted',
      })
      expect(server.traffic().RetryWorkflow.requests).toBe(0)
    })

    test('is not retried more often because the service restarted', async () => {
      const { worker, name, server } = await running({ retryInPlace: { on: ['evicted'] } })
      server.operator.deletePod(name)
      await reported(worker)
      await eventually('it runs again', () => server.workflows.get(name)?.status.phase === 'Running')
      const next = await bench.open({ retryInPlace: { on: ['evicted'] } })
      await next.pollAllStatus([A])
      server.operator.deletePod(name)
      expect(await next.lookupJob(A)).toMatchObject({ stage: 'FAIL', failureClass: 'evicted' })
      expect(server.traffic().RetryWorkflow.requests).toBe(1)
    })

    test('counts when it may not be retried, and is asked again when no answer came', async () => {
      const { worker, name, server } = await running({ retryInPlace })
      server.main.onRequest = ({ operation }) =>
        operation === 'RetryWorkflow' ? { do: 'drop-reply' } : undefined
      server.operator.deletePod(name)
      expect(await reported(worker)).toMatchObject({ stage: 'PROCESSING' })
      await eventually('it runs again', () => server.workflows.get(name)?.status.phase === 'Running')
      server.main.onRequest = undefined
      server.access.denied.add('update workflows')
      await worker.lookupJob(A)
      server.operator.deletePod(name)
      expect(await worker.lookupJob(A)).toMatchObject({ stage: 'FAIL', failureClass: 'evicted' })
    })
  })

  describe('operators at Argo’s UI', () => {
    test('who retry a failed job before it was seen to fail: it runs on', async () => {
      const { worker, name, server } = await running()
      server.workflows.finish(name, { phase: 'Failed' })
      server.operator.retry(name)
      expect(await reported(worker)).toMatchObject({ stage: 'PROCESSING' })
      server.workflows.finish(name)
      expect(await reported(worker)).toMatchObject({ stage: 'SUCCESS' })
    })

    test('who retry a job whose outcome is stored: it is reported as running, and logged', async () => {
      const runtime = new ManualRuntime()
      const { worker, name, server } = await running({ runtime })
      server.workflows.finish(name, { phase: 'Failed' })
      await reported(worker)
      await worker.acknowledgeJobs([A])
      expect((await worker.pollAllStatus([])).has('a')).toBe(false)
      server.operator.retry(name)
      await eventually('it is seen', async () => {
        await runtime.advance(1_000)
        return (await worker.pollAllStatus([])).get('a')?.stage === 'PROCESSING'
      })
      expect(logged).toContainEqual({ level: 'warn', message: expect.stringContaining('retried at Argo') })
    })

    test('who resubmit a job: the copy is none of ours, and is logged once', async () => {
      const { worker, name, server } = await running()
      const copy = server.operator.resubmit(name)
      expect(server.workflows.get(copy)?.metadata.labels['sluice/queue']).toBeDefined()
      server.workflows.finish(copy, { phase: 'Failed' })
      for (let poll = 0; poll < 3; poll++)
        expect(await reported(worker)).toMatchObject({ stage: 'PROCESSING' })
      const other = server.operator.resubmit(name)
      for (let poll = 0; poll < 3; poll++)
        expect(await reported(worker)).toMatchObject({ stage: 'PROCESSING' })
      expect(logged.filter(({ message }) => message.includes('none of its jobs'))).toHaveLength(1)
      expect(other).not.toBe(copy)
    })

    test('who delete a job: it is absent, and nothing else', async () => {
      const { worker, name, server } = await running()
      server.operator.delete(name)
      expect(await reported(worker)).toBeUndefined()
      expect(await worker.lookupJob(A)).toBeUndefined()
    })

    test('who delete a job and make it again: it goes on, and the evidence says so', async () => {
      const { worker, name, server } = await running()
      await worker.lookupJob(A)
      server.operator.recreate(name)
      await worker.lookupJob(A)
      server.workflows.finish(name)
      expect(await worker.lookupJob(A)).toMatchObject({
        stage: 'SUCCESS',
        details: { notes: [expect.stringContaining('made again under its name')] },
      })
      expect(logged).toContainEqual({ level: 'warn', message: expect.stringContaining('made again') })
    })
  })
})
