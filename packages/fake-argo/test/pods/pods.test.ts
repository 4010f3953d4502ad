import { afterEach, describe, expect, test } from 'vitest'
import { outcomeWithPods, type ArgoServer, type ArgoServerOptions, type JsonObject } from '../../src/index.ts'
import type { ManualRuntime } from '@sluice/testkit'
import { startBench } from '../bench.ts'
import { at, type Client } from '../client.ts'

let server: ArgoServer
let client: Client
let runtime: ManualRuntime
afterEach(() => server.close())

async function start(templates: readonly JsonObject[], options: ArgoServerOptions = {}) {
  const spec = {
    entrypoint: 'main',
    arguments: { parameters: [{ name: 'v' }, { name: 'list', value: '[]' }] },
    templates,
  }
  ;({ server, client, runtime } = await startBench({
    ...options,
    templates: [{ kind: 'WorkflowTemplate', metadata: { name: 'test-workflow-template' }, spec }],
    controller: { reconcileDelayMs: 0, outcome: outcomeWithPods, ...options.controller },
  }))
}

/** What the pods of one workflow see. */
async function run(parameters: string[]): Promise<unknown> {
  await client.submit('one', parameters)
  await runtime.advance(1)
  const { body } = await client.get('one')
  const text = at(body, 'status', 'outputs', 'parameters', '0', 'value')
  return typeof text === 'string' ? JSON.parse(text) : at(body, 'status')
}

const V = '{{workflow.parameters.v}}'

/** A step whose argument is an item. */
function call(name: string, more: JsonObject): JsonObject {
  const parameters = [{ name: 'text', value: '{{item}}' }]
  return { name, template: 'say', arguments: { parameters }, ...more }
}

describe('the programs of a pod see', () => {
  test('what the kubelet makes of it, by the names known in each place', async () => {
    await start([
      {
        name: 'main',
        metadata: { annotations: { note: V } },
        script: {
          image: 'busybox',
          command: ['sh', V],
          source: V,
          env: [
            { name: 'FIRST', value: 'one' },
            { name: 'VALUE', value: V },
            { name: 'LAST', value: 'two' },
          ],
        },
        inputs: { artifacts: [{ name: 'file', raw: { data: V } }] },
        outputs: { parameters: [{ name: 'out', valueFrom: { path: '/x', default: V } }] },
      },
    ])
    const value = 'a$$b $(FIRST) $(LAST) $(ARGO_CONTAINER_NAME) $$(FIRST) $(X) $'
    const told = 'a$b $(FIRST) $(LAST) init $(FIRST) $(X) $'
    expect(await run([`v=${value}`])).toEqual([
      {
        path: [],
        when: [],
        annotations: { note: value },
        containers: {
          main: {
            command: ['sh', 'a$b one two main $(FIRST) $(X) $'],
            args: [],
            env: {
              FIRST: 'one',
              VALUE: 'a$b one $(LAST) $(ARGO_CONTAINER_NAME) $(FIRST) $(X) $',
              LAST: 'two',
            },
          },
        },
        source: told,
        artifacts: { file: told },
        defaults: { out: told },
        starts: true,
      },
    ])
  })

  test('what comes through steps, items and inputs, expanded once', async () => {
    await start([
      {
        name: 'main',
        steps: [
          [call('a', { withParam: '{{workflow.parameters.list}}' })],
          [call('b', { withItems: [V, 'x'] })],
        ],
      },
      {
        name: 'say',
        inputs: { parameters: [{ name: 'text' }] },
        container: { image: 'busybox', args: ['{{inputs.parameters.text}}'] },
      },
    ])
    const pods = await run(['v=$$$$', String.raw`list=["a\u0024\u0024b"]`])
    expect(pods).toMatchObject([
      { path: ['a(0)'], containers: { main: { args: ['a$b'] } } },
      { path: ['b(0)'], containers: { main: { args: ['$$'] } } },
      { path: ['b(1)'], containers: { main: { args: ['x'] } } },
    ])
  })

  test('a script of a template of more than 128 KiB unchanged, and arguments of more too', async () => {
    await start([{ name: 'main', script: { image: 'busybox', source: V, args: [V, V], env: [] } }])
    const value = `a$$b${'x'.repeat(70_000)}`
    expect(await run([`v=${value}`])).toMatchObject([
      { source: value, containers: { main: { args: [value, value] } } },
    ])
  })

  test('in a smaller template what another text of it leaves open', async () => {
    await start([
      {
        name: 'main',
        metadata: { annotations: { note: '$(' } },
        script: { image: 'busybox', source: `(${V})` },
      },
    ])
    expect(await run(['v=a$$b'])).toMatchObject([{ source: '(a$$b)' }])
  })
})

describe('a size', () => {
  test.each([
    [131_069, 'Succeeded', undefined],
    [131_070, 'Failed', 'main: Error (exit code 1)'],
  ])('of %d bytes in a variable of one letter: %s', async (bytes, phase, message) => {
    await start([{ name: 'main', container: { image: 'busybox', env: [{ name: 'V', value: V }] } }])
    await client.submit('one', [`v=${'x'.repeat(bytes)}`])
    await runtime.advance(1)
    const { body } = await client.get('one')
    expect([at(body, 'status', 'phase'), at(body, 'status', 'message')]).toEqual([phase, message])
  })

  test.each([
    [500, 'error', 200, 'Succeeded'],
    [900, 'error', 200, 'Error'],
    [900, 'never', 200, undefined],
    [1_600, 'error', 500, undefined],
    [3_200, 'error', 400, undefined],
  ] as const)(
    'of %d KiB, set to %s: submit says %d, and its phase is %s',
    async (kib, tooLarge, status, phase) => {
      await start([{ name: 'main', container: { image: 'busybox' } }], { controller: { tooLarge } })
      const answer = await client.submit('one', [`v=${'x'.repeat(kib * 1024)}`])
      expect(answer.status).toBe(status)
      await runtime.advance(3_600_000)
      const { body } = await client.get('one')
      const message = phase === 'Error' ? 'etcdserver: request is too large' : undefined
      expect([at(body, 'status', 'phase'), at(body, 'status', 'message')]).toEqual([phase, message])
    },
  )
})
