import { afterEach, describe, expect, test } from 'vitest'
import { startArgoServer, type ArgoServer, type ArgoServerOptions } from '../src/index.ts'
import { ManualRuntime } from '@sluice/testkit'
import { at, clientOf, type Client } from './client.ts'

let server: ArgoServer
let client: Client
let runtime: ManualRuntime

async function start(options: ArgoServerOptions = {}) {
  runtime = new ManualRuntime()
  server = await startArgoServer({ runtime, ...options })
  client = clientOf(server)
}

afterEach(() => server.close())

describe('submitting', () => {
  test('answers 200 with the workflow, without kind, phase or labels of one', async () => {
    await start()
    const answer = await client.submit('one', ['item=1'], { labels: 'example.com/queue=q' })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('grpc-metadata-argo-version')).toBe('v4.1.2')
    expect(answer.body).toMatchObject({
      metadata: {
        name: 'one',
        generateName: 'test-workflow-template-',
        namespace: 'argo',
        generation: 1,
        labels: {
          'example.com/queue': 'q',
          'workflows.argoproj.io/creator': 'system-serviceaccount-argo-sluice',
          'workflows.argoproj.io/workflow-template': 'test-workflow-template',
        },
      },
      spec: {
        arguments: { parameters: [{ name: 'item', value: '1' }] },
        workflowTemplateRef: { name: 'test-workflow-template' },
      },
    })
    expect(Object.keys(answer.body)).toEqual(['metadata', 'spec', 'status'])
    expect(answer.body['status']).toEqual({
      startedAt: null,
      finishedAt: null,
      storedTemplates: {
        'namespaced/test-workflow-template/main': expect.objectContaining({ name: 'main', inputs: {} }),
      },
    })
  })

  test('under a name that exists is refused, and leaves the first one unchanged', async () => {
    await start()
    const first = await client.submit('one', ['item=1'])
    const again = await client.submit('one', ['item=2'])
    expect([again.status, again.body]).toEqual([
      409,
      {
        code: 6,
        message:
          'workflows.argoproj.io "one" already exists, the server was not able to generate a unique name for the object',
      },
    ])
    expect((await client.get('one')).body).toEqual(first.body)
  })
})

describe('the controller', () => {
  test('takes a workflow through its phases by the clock', async () => {
    await start()
    await client.submit('one', ['item=1', 'seconds=5', 'mode=fail'])
    const seen = async () => {
      const { body } = await client.get('one')
      const labels = at(body, 'metadata', 'labels') ?? {}
      return { phase: at(body, 'status', 'phase'), message: at(body, 'status', 'message'), ...labels }
    }
    expect(await seen()).toMatchObject({ phase: undefined })
    await runtime.advance(50)
    expect(await seen()).toMatchObject({ phase: 'Running', 'workflows.argoproj.io/completed': 'false' })
    await runtime.advance(4_999)
    expect(await seen()).toMatchObject({ phase: 'Running' })
    await runtime.advance(1)
    expect(await seen()).toMatchObject({
      phase: 'Failed',
      message: 'main: Error (exit code 1)',
      'workflows.argoproj.io/phase': 'Failed',
      'workflows.argoproj.io/completed': 'true',
    })
  })
})
