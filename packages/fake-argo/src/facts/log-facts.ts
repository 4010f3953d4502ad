import { check, same } from '@sluice/testkit/server'
import { asObject, asText, type JsonObject } from '../argo-workflow.js'
import type { ArgoFact } from './argo-fact.js'
import { Probe, type Came } from './probe.js'

const WRITTEN = ['working on 1 for 0 s', 'told to fail']
const FAILS = { parameters: ['item=1', 'seconds=0', 'mode=fail'] }
const OF_MAIN = { 'logOptions.container': 'main' }

/** What holds for logs. */
export const logFacts: readonly ArgoFact[] = [
  {
    id: 'ARGO-LOG-1',
    title:
      'A log is a line of JSON for each line of a container of the workflow’s pods: its text and its pod.',
    run: (target) =>
      ofFailed(target, async (probe) => {
        const came = await logOf(probe, OF_MAIN)
        same(came.status, 200, 'the status')
        same(came.headers.get('content-type'), 'application/json', 'the type')
        const podName = probe.name('a')
        same(
          resultsIn(came),
          WRITTEN.map((content) => ({ content, podName })),
          'the lines',
        )
      }),
  },
  {
    id: 'ARGO-LOG-2',
    title: 'As server-sent events each line is `data: `, JSON, a blank, and three line ends.',
    run: (target) =>
      ofFailed(target, async (probe) => {
        const came = await logOf(probe, OF_MAIN, { accept: 'text/event-stream' })
        same(came.headers.get('content-type'), 'text/event-stream', 'the type')
        const text = came.text.replaceAll(/^:\n/gmu, '')
        check(/^(?:data: \{"result":\{[^\n]*\}\} \n\n\n){2}$/u.test(text), 'the frames', text.slice(0, 300))
      }),
  },
  {
    id: 'ARGO-LOG-3',
    title: 'Without the name of a container the log of a pod with several is empty, without an error.',
    run: (target) =>
      ofFailed(target, async (probe) => {
        const came = await logOf(probe, { 'logOptions.tailLines': '10' })
        same([came.status, came.text], [200, ''], 'the answer')
      }),
  },
  {
    id: 'ARGO-LOG-4',
    title: 'With timestamps a line begins with its instant and a blank; instants of one pod do not go back.',
    run: (target) =>
      ofFailed(target, async (probe) => {
        const lines = textsIn(await logOf(probe, { ...OF_MAIN, 'logOptions.timestamps': 'true' }))
        const found = lines.map((line) =>
          /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(?:Z|[+-]\d\d:\d\d)) (.*)$/u.exec(line),
        )
        same(
          found.map((one) => one?.[2]),
          WRITTEN,
          'what is behind the instants',
        )
        const [first = '', second = ''] = found.map((one) => one?.[1] ?? '')
        check(first <= second, 'the second instant is not before the first', [first, second])
      }),
  },
  {
    id: 'ARGO-LOG-5',
    title: 'tailLines limits the log to the last lines of each pod.',
    run: (target) =>
      ofFailed(target, async (probe) => {
        const came = await logOf(probe, { ...OF_MAIN, 'logOptions.tailLines': '1' })
        same(textsIn(came), WRITTEN.slice(-1), 'the last line')
      }),
  },
  {
    id: 'ARGO-LOG-6',
    title: 'With follow it begins with what was written before, and goes on until the workflow has ended.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        await probe.submitted('a', { parameters: ['item=1', 'seconds=3', 'mode=fail'] })
        await probe.untilPhase('a', 'Running')
        const came = await passing(probe, logOf(probe, { ...OF_MAIN, 'logOptions.follow': 'true' }))
        same(textsIn(came), ['working on 1 for 3 s', 'told to fail'], 'the lines')
        await probe.untilPhase('a', 'Failed')
      }),
  },
  {
    id: 'ARGO-LOG-7',
    title:
      'The log of a workflow whose pods are gone is empty, without an error; that of the container `wait` too.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        await probe.create(
          probe.manifest({ name: probe.name('a') }, { podGC: { strategy: 'OnPodCompletion' } }),
        )
        await probe.untilPhase('a', 'Succeeded')
        for (const container of ['main', 'wait']) {
          const came = await probe.until(
            `an empty log of ${container}`,
            () => logOf(probe, { 'logOptions.container': container }),
            ({ text }) => text === '',
          )
          same(came.status, 200, 'the status')
        }
      }),
  },
  {
    id: 'ARGO-LOG-8',
    title: 'While a pod exists, its container `wait` has a log, whatever the program writes.',
    run: (target) =>
      ofFailed(target, async (probe) => {
        const lines = textsIn(await logOf(probe, { 'logOptions.container': 'wait' }))
        check(lines.length > 0, 'the log of wait has lines', lines)
      }),
  },
  {
    id: 'ARGO-LOG-9',
    title: 'The log of a missing workflow is refused with 404, in the format of streams.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const came = await logOf(probe, OF_MAIN)
        const error = asObject(came.body['error'])
        same([came.status, error['grpc_code'], error['http_code']], [404, 5, 404], 'status and codes')
        check((asText(error['message']) ?? '').includes('not found'), 'the message', error['message'])
      }),
  },
]

/** The log of the workflow `a`. */
function logOf(
  probe: Probe,
  query: Readonly<Record<string, string>>,
  headers: Record<string, string> = {},
): Promise<Came> {
  const path = probe.path(probe.name('a'), 'log')
  return probe.send('GET', `${path}?${new URLSearchParams(query).toString()}`, { headers })
}

/** On a failed workflow: where pods of successes are collected, those of failures stay. */
function ofFailed(
  target: Parameters<ArgoFact['run']>[0],
  steps: (probe: Probe) => Promise<void>,
): Promise<void> {
  return Probe.use(target, async (probe) => {
    await probe.submitted('a', FAILS)
    await probe.untilPhase('a', 'Failed')
    await steps(probe)
  })
}

/** The result of an action, while the server's time advances. */
async function passing<T>(probe: Probe, work: Promise<T>): Promise<T> {
  const state = { isOver: false }
  const over = (): void => void (state.isOver = true)
  work.then(over, over)
  for (let passed = 0; !state.isOver && passed < PATIENCE_MS; passed += STEP_MS) await probe.pass(STEP_MS)
  check(state.isOver, `it ends within ${PATIENCE_MS} ms`)
  return work
}

const PATIENCE_MS = 60_000
const STEP_MS = 250

function resultsIn({ text }: Came): JsonObject[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => asObject(asObject(JSON.parse(line))['result']))
}

function textsIn(came: Came): string[] {
  return resultsIn(came).map(({ content }) => asText(content) ?? '')
}
