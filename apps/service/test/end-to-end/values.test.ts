import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemRuntime } from '@sluice/core/backend'
import { startArgoServer, type ArgoTemplate } from '@sluice/fake-argo'
import { startS3Server } from '@sluice/fake-s3'
import { openQueue } from '@sluice/queue-memory'
import fc from 'fast-check'
import { parse } from 'lossless-json'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { loadManifest } from '../../src/load/load-manifest.js'
import { startPostgres } from '../fixtures/postgres.js'
import { Sandbox } from '../fixtures/sandbox.js'
import { jsonTexts, meaningOf, meaningOfValue } from './json-texts.js'

/** As many texts for each backend; another run tries others, and prints its seed where one fails. */
const TEXTS = 150
const SEED = Number(process.env['SLUICE_VALUES_SEED'] ?? Date.now() % 1_000_000)

const texts = [...new Set(fc.sample(jsonTexts, { seed: SEED, numRuns: TEXTS }))]
const manifest = texts.map((text, index) => `{"id": "t${index}", "body": ${text}}`).join('\n')

let box: Sandbox

beforeEach(async () => {
  box = await Sandbox.open()
  await writeFile(join(box.dir, 'manifest.jsonl'), manifest)
})

afterEach(() => box.close())

async function configure(queue: object, worker?: object): Promise<void> {
  // What a job reads on stdin it prints as its result.
  const copying = { package: 'process', command: ['cat'], dir: join(box.dir, 'jobs') }
  const config = {
    queue: { name: 'values', ...queue },
    worker: worker ?? copying,
    service: { intervalMs: 20 },
    processing: { limit: 20 },
  }
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify(config))
}

/** What a report's line is known to be passes the compiler. */
function posingAs(value: unknown): never
function posingAs(value: unknown): unknown {
  return value
}

interface Row {
  readonly id: string
  readonly stage: string
  readonly failureClass: string | null
  readonly body: unknown
  readonly result: unknown
}

/** Loads, runs and reports; the report's lines are read with the digits that stand there. */
async function throughAll(): Promise<readonly Row[]> {
  const loaded = await box.run(['load', 'manifest.jsonl', '--json'])
  const { added, refused }: { added: number; refused: number } = JSON.parse(loaded.out)
  expect([loaded.code, added + refused]).toEqual([2, texts.length])
  // Of what is generated some is refused, and most is not.
  expect(refused).toBeGreaterThan(0)
  expect(added).toBeGreaterThan(texts.length / 3)
  const ran = await box.spawn(['run', '--until-empty', '--log-level', 'error'])
  expect([ran.code, ran.err]).toEqual([0, ''])
  const columns = ['--columns', 'stage,failureClass,body,result', '--out', 'report.jsonl']
  expect((await box.run(['report', ...columns])).code).toBe(0)
  const report = await readFile(join(box.dir, 'report.jsonl'), 'utf8')
  const rows = report.split('\n').filter((line) => line !== '')
  expect(rows).toHaveLength(added)
  return rows.map((line): Row => posingAs(parse(line)))
}

function written(id: string): string {
  return meaningOf(texts[Number(id.slice(1))] ?? '')
}

/** What is another value than the text says, in the body or the result. */
function differences(rows: readonly Row[], meaningOfResult: (row: Row) => string): string[] {
  return rows.flatMap((row) => {
    const [said, body, result] = [written(row.id), meaningOfValue(row.body), meaningOfResult(row)]
    const isKept = body === said && result === said
    return isKept ? [] : [`seed ${SEED}, ${row.id}: ${said} became ${body}, and as a result ${result}`]
  })
}

test('memory: what load accepts is claimed, and stored as a result, with the exact value', async () => {
  const queue = await openQueue({ name: 'values' })
  const {
    counts: { added },
  } = await loadManifest(join(box.dir, 'manifest.jsonl'), queue, { runtime: systemRuntime })
  const items = await queue.get(texts.length)
  expect(items).toHaveLength(added)
  await queue.settle(items.map(({ id, attempt, body }) => ({ id, attempt, stage: 'SUCCESS', result: body })))
  for (const { id, body } of items) {
    const record = await queue.lookup(id)
    expect(meaningOf(JSON.stringify(body))).toBe(written(id))
    expect(meaningOf(JSON.stringify(record?.result))).toBe(written(id))
  }
})

test('SQLite and local jobs: load, stdin, result and report keep the exact value', async () => {
  await configure({ package: 'sql', url: `sqlite:${join(box.dir, 'queue.db')}` })
  expect(differences(await throughAll(), ({ result }) => meaningOfValue(result))).toEqual([])
})

test('S3 and local jobs: load, stdin, result and report keep the exact value', async () => {
  const server = await startS3Server()
  try {
    const { endpoint, region, credentials } = server.clientOptions()
    await configure({ package: 's3', bucket: server.bucket, endpoint, region, credentials })
    expect(differences(await throughAll(), ({ result }) => meaningOfValue(result))).toEqual([])
  } finally {
    await server.close()
  }
})

describe('PostgreSQL', () => {
  let postgres: Awaited<ReturnType<typeof startPostgres>>

  beforeAll(async () => {
    postgres = await startPostgres()
  }, 60_000)

  afterAll(() => postgres.stop())

  test('and local jobs: load, stdin, result and report keep the exact value', async () => {
    await configure({ package: 'sql', url: postgres.url })
    expect(differences(await throughAll(), ({ result }) => meaningOfValue(result))).toEqual([])
  })
})

test('Argo: a parameter, an output parameter and the report keep the exact value', async () => {
  const server = await startArgoServer({
    templates: [ECHOING],
    controller: {
      reconcileDelayMs: 5,
      // Its program writes what it sees in its environment into its output parameter.
      outcome: (_, { pods }) => ({
        afterMs: 1,
        outputs: { payload: pods()[0]?.containers['main']?.env['PAYLOAD'] ?? '' },
      }),
    },
  })
  try {
    await configure(
      { package: 'sql', url: `sqlite:${join(box.dir, 'queue.db')}` },
      {
        package: 'argo',
        baseUrl: server.url,
        namespace: 'argo',
        template: 'echoing',
        token: server.token,
        parameters: { payload: '$' },
      },
    )
    const rows = await throughAll()
    const kept = rows.filter(({ stage }) => stage === 'SUCCESS')
    expect(kept.length).toBeGreaterThan(rows.length / 2)
    for (const { failureClass } of rows.filter(({ stage }) => stage === 'FAIL'))
      expect(failureClass).toBe('rejected')
    expect(differences(kept, payloadOf)).toEqual([])
  } finally {
    await server.close()
  }
})

/** What the job printed: its parameter, which is a string as it is, and JSON text of all else. */
function payloadOf({ body, result }: Row): string {
  const { payload }: { payload: string } = posingAs(result)
  return meaningOf(typeof body === 'string' ? JSON.stringify(payload) : payload)
}

const ECHOING: ArgoTemplate = {
  kind: 'WorkflowTemplate',
  metadata: { name: 'echoing' },
  spec: {
    entrypoint: 'main',
    arguments: { parameters: [{ name: 'payload' }] },
    templates: [
      {
        name: 'main',
        inputs: { parameters: [{ name: 'payload', value: '{{workflow.parameters.payload}}' }] },
        script: {
          image: 'busybox:1.37',
          command: ['sh'],
          source: 'printf %s "$PAYLOAD" > /tmp/payload',
          env: [{ name: 'PAYLOAD', value: '{{inputs.parameters.payload}}' }],
        },
        outputs: {
          parameters: [{ name: 'payload', valueFrom: { path: '/tmp/payload' }, globalName: 'payload' }],
        },
      },
    ],
  },
}
