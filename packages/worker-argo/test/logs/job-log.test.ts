import type { JobRef, ReadLogOptions } from '@sluice/core'
import type { ArgoServerOptions } from '@sluice/fake-argo'
import { afterEach, describe, expect, test } from 'vitest'
import type { ArgoWorker, ArgoWorkerOptions } from '../../src/index.js'
import { ByteTail, LogPositions, readLogFrame } from '../../src/logs/log-lines.js'
import { ArgoBench, eventually, fastClock, jobOf, send } from '../argo-bench.js'

let bench: ArgoBench
let worker: ArgoWorker
const job = jobOf('a')

afterEach(() => bench.close())

async function start(
  server: ArgoServerOptions = {},
  options: Partial<ArgoWorkerOptions> = {},
): Promise<void> {
  const controller = { reconcileDelayMs: 0, output: () => '', ...server.controller }
  bench = await ArgoBench.start({ ...server, watching: { logsEveryMs: 2 }, controller })
  worker = await bench.open({ runtime: fastClock, ...options })
  await send(worker, job, { mode: 'hang' })
}

function write(text: string, pod?: string): void {
  bench.server.workflows.writeLog(bench.nameOf(job), text, pod === undefined ? {} : { pod })
}

function finish(phase: 'Succeeded' | 'Failed' = 'Succeeded'): void {
  bench.server.workflows.finish(bench.nameOf(job), { phase })
}

/** What is read so far, and how it ends. */
function reading(options: ReadLogOptions = {}, ref: JobRef = job) {
  const state = { text: '' }
  const end = (async () => {
    for await (const chunk of worker.readLog(ref, options)) state.text += Buffer.from(chunk).toString('utf8')
    return state.text
  })()
  end.catch(() => undefined)
  return { state, end }
}

function cut(how: 'reset' | 'close'): void {
  for (const stream of bench.server.main.logStreams) stream.end(how)
}

const frame = (content: string) => readLogFrame(JSON.stringify({ result: { content, podName: 'p' } }))
const line = (at: bigint | undefined, pod = 'p') => ({ pod, at, text: '' })

const textOf = (options: ReadLogOptions = {}, ref = job) => reading(options, ref).end

describe('several pods', () => {
  test('each line begins with its pod from the moment on in which there are several', async () => {
    await start()
    write('one\n')
    expect(await textOf()).toBe('one\n')
    write('of another\n', 'step-1')
    write('two\n')
    const name = bench.nameOf(job)
    expect(await textOf()).toBe(`one\nstep-1: of another\n${name}: two\n`)
  })

  test('of a workflow that has several nodes of pods, all do', async () => {
    await start()
    write('one\n', 'p-1')
    bench.server.workflows.finish(bench.nameOf(job), {
      phase: 'Failed',
      nodes: [
        { type: 'Steps', phase: 'Failed', children: ['x', 'y'] },
        { name: 'x', phase: 'Succeeded' },
        { name: 'y', phase: 'Failed' },
      ],
    })
    expect(await textOf()).toBe('p-1: one\n')
  })
})

describe('a stream that breaks', () => {
  test.each(['reset', 'close'] as const)(
    'by %s while it is followed: it goes on, and nothing comes twice',
    async (how) => {
      await start()
      write('one\ntwo\n')
      const { state, end } = reading({ follow: true })
      for (const [index, line] of ['three\n', 'four\n', 'five\n'].entries()) {
        await eventually('so much is read', () => state.text.split('\n').length === index + 3)
        cut(how)
        write(line)
      }
      await eventually('all is read', () => state.text.endsWith('five\n'))
      finish()
      expect(await end).toBe('one\ntwo\nthree\nfour\nfive\n')
    },
  )

  test('in the middle of a log that is read once is an error: it never looks whole', async () => {
    await start({ watching: {} })
    write('one\n')
    bench.server.main.onRequest = ({ operation }) =>
      operation === 'WorkflowLogs'
        ? {
            do: 'answer',
            answer: {
              status: 200,
              headers: { 'content-type': 'text/event-stream', 'content-length': '9999' },
              body: 'data: {"result":{"content":"2026-01-01T00:00:00Z half","podName":"p"}} \n\n\n',
            },
          }
        : undefined
    const { state, end } = reading()
    await eventually('half is read', () => state.text === 'half\n')
    bench.server.main.restart()
    await expect(end).rejects.toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE', itemId: 'a' })
    await expect(end).rejects.toThrow(/broke off/u)
  })

  test('and a server that is not there any more is an outage', async () => {
    await start()
    write('one\n')
    const { state, end } = reading({ follow: true })
    await eventually('one is read', () => state.text === 'one\n')
    await bench.server.main.stop()
    await expect(end).rejects.toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
  })

  test('quiet ones are given up by the clock', async () => {
    await start({ runtime: fastClock })
    write('one\n')
    const { state, end } = reading({ follow: true })
    await eventually('one is read', () => state.text === 'one\n')
    for (const stream of bench.server.main.logStreams) stream.stall()
    write('two\n')
    await eventually('two is read', () => state.text === 'one\ntwo\n')
    finish()
    expect(await end).toBe('one\ntwo\n')
  })
})

describe('what is gone', () => {
  test('a program that wrote nothing has an empty log; pods that are gone have none, and it says where to look', async () => {
    await start({}, { uiUrl: 'https://ui.example.org/argo/' })
    finish()
    expect(await textOf()).toBe('')
    bench.server.workflows.deletePods(bench.nameOf(job))
    const gone = textOf()
    await expect(gone).rejects.toMatchObject({ code: 'SLUICE_ITEM_NOT_FOUND', itemId: 'a' })
    await expect(gone).rejects.toThrow(/its pods are gone.*get pods\/log.*has not archived it/u)
    await expect(gone).rejects.toThrow(`https://ui.example.org/argo/workflows/argo/${bench.nameOf(job)}?uid=`)
  })

  test('an archived log is named by its address', async () => {
    await start()
    const name = bench.nameOf(job)
    finish('Failed')
    bench.server.workflows.deletePods(name)
    bench.server.main.onRequest = ({ operation }) =>
      operation === 'GetWorkflow'
        ? {
            do: 'rewrite',
            answer: (answer) => ({
              ...answer,
              body: answer.body.replace(
                '"exitCode":"1"',
                '"exitCode":"1","artifacts":[{"name":"main-logs"}]',
              ),
            }),
          }
        : undefined
    await expect(textOf()).rejects.toThrow(
      `Argo has archived it: ${bench.server.url}/artifact-files/argo/workflows/${name}/${name}/outputs/main-logs`,
    )
  })

  test('a workflow that only the archive has left has no log', async () => {
    await start({ archive: true })
    write('one\n')
    finish()
    const name = bench.nameOf(job)
    await eventually('it is archived', () => bench.server.workflows.archived(name) !== undefined)
    bench.server.workflows.expire(name)
    await expect(textOf()).rejects.toThrow(/its pods are gone/u)
    await expect(textOf({ tailBytes: 5 })).rejects.toMatchObject({ code: 'SLUICE_ITEM_NOT_FOUND' })
  })

  test('a workflow that is deleted as it ends was given whole, as far as the server told', async () => {
    await start()
    write('one\n')
    const { state, end } = reading({ follow: true })
    await eventually('one is read', () => state.text === 'one\n')
    write('last\n')
    finish()
    bench.server.workflows.expire(bench.nameOf(job))
    expect(await end).toBe('one\nlast\n')
  })

  test('a workflow without a pod has none', async () => {
    await start({}, { template: 'test-workflow-template-podless' })
    finish()
    await expect(textOf()).rejects.toThrow(/nothing of its workflow ran in a pod/u)
  })
})

test('a permission that is missing is told in Argo’s words', async () => {
  await start({ denied: ['list pods'] })
  write('one\n')
  const denied = textOf()
  await expect(denied).rejects.toMatchObject({ code: 'SLUICE_WORKER_DENIED' })
  await expect(denied).rejects.toThrow(/cannot list resource "pods"/u)
})

test('a job that has not begun is waited for', async () => {
  const heldUp = { message: 'ImagePullBackOff' }
  await start({
    controller: { outcome: () => ({ afterMs: 0, heldUp }), output: (_, moment) => `${moment}\n` },
  })
  const isHeld = () => bench.server.workflows.get(bench.nameOf(job))?.status.phase === 'Running'
  await eventually('it is held up', isHeld)
  expect(await textOf()).toBe('')
  const { end } = reading({ follow: true })
  await eventually('it is followed', () => bench.server.main.logStreams.length === 1)
  bench.server.workflows.begin(bench.nameOf(job))
  expect(await end).toBe('begin\nend\n')
})

test('a log of 4 MB is read line by line; of its tail no more lines are asked for than bytes', async () => {
  await start()
  write(`${'x'.repeat(99)}\n`.repeat(40_000))
  worker = await bench.open()
  let [bytes, largest] = [0, 0]
  for await (const chunk of worker.readLog(job)) {
    bytes += chunk.length
    largest = Math.max(largest, chunk.length)
  }
  expect([bytes, largest]).toEqual([4_000_000, 100])
  expect(await textOf({ tailBytes: 150 })).toBe(`${'x'.repeat(49)}\n${'x'.repeat(99)}\n`)
  expect(bench.server.main.requests.at(-1)?.query).toMatchObject({ 'logOptions.tailLines': '150' })
}, 60_000)

test('a reader that stops early leaves no stream open', async () => {
  await start()
  write('one\n')
  for await (const _ of worker.readLog(job, { follow: true })) break
  await eventually('the stream is closed', () => bench.server.main.logStreams.length === 0)
  const stop = new AbortController()
  const { state, end } = reading({ follow: true, signal: stop.signal })
  await eventually('one is read', () => state.text === 'one\n')
  stop.abort('enough')
  await expect(end).rejects.toBe('enough')
  await eventually('the stream is closed', () => bench.server.main.logStreams.length === 0)
  const other = reading({ follow: true })
  await eventually('one is read', () => other.state.text === 'one\n')
  await worker.close()
  await expect(other.end).rejects.toMatchObject({ code: 'SLUICE_WORKER_CLOSED' })
})

describe('lines', () => {
  test('a frame has an instant to the nanosecond, a text that may be empty, and a pod', async () => {
    bench = await ArgoBench.start()
    const at = BigInt(Date.parse('2026-01-01T00:00:00Z')) * 1_000_000n
    expect(frame('2026-01-01T01:00:00.000000012+01:00 a b')).toEqual({
      line: { pod: 'p', at: at + 12n, text: 'a b' },
    })
    expect(frame('2026-01-01T00:00:00.5Z')).toEqual({ line: { pod: 'p', at: at + 500_000_000n, text: '' } })
    expect(frame('no instant')).toEqual({ line: { pod: 'p', at: undefined, text: 'no instant' } })
    expect(readLogFrame('{"result":{"podName":"p"}}')).toEqual({
      line: { pod: 'p', at: undefined, text: '' },
    })
    expect(readLogFrame('{"error":{"grpc_code":13,"message":"no"}}')).toEqual({
      error: { code: 13, message: 'no' },
    })
    expect(readLogFrame('{"res')).toBeUndefined()
  })

  test('lines of one instant are told apart by their number, and pieces go with their line', async () => {
    bench = await ArgoBench.start()
    const positions = new LogPositions()
    const first = positions.pass()
    expect([line(1n), line(1n), line(undefined)].map(first)).toEqual([true, true, true])
    const second = positions.pass()
    expect(
      [line(1n), line(1n), line(undefined), line(1n), line(undefined), line(2n), line(1n, 'q')].map(second),
    ).toEqual([false, false, false, true, true, true, true])
  })

  test('a tail keeps no more than it must', async () => {
    bench = await ArgoBench.start()
    const tail = new ByteTail(4)
    for (const text of ['abc', 'de', 'f', 'ghi']) tail.push(Buffer.from(text))
    expect(Buffer.concat([...tail.chunks()]).toString()).toBe('fghi')
    const none = new ByteTail(0)
    none.push(Buffer.from('abc'))
    expect([...none.chunks()]).toEqual([])
  })
})
