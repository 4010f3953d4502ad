import { isSluiceError, silentLogger, type JsonValue } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import { answerWith, type ArgoTemplate, type JsonObject } from '@sluice/fake-argo'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ArgoWorkerOptions } from '../../src/index.js'
import { jobOf } from '../argo-bench.js'
import { container, templateOf, V, ValuesBench, W } from './values-bench.js'

let values: ValuesBench
beforeEach(async () => {
  values = await ValuesBench.start()
})
afterEach(() => values.close())

type RunOptions = Partial<ArgoWorkerOptions> & { readonly id?: string }

const ODD = 'a$$b $(HOME) $$(ARGO_CONTAINER_NAME) ${X} $X $(ARGO_NODE_ID) $é $'

/** What the main program of an item's only pod gets in the variable `V`. */
async function variable(template: ArgoTemplate, body: JsonValue, options: RunOptions = {}) {
  const [pod] = await values.run([template], body, options)
  return pod?.containers['main']?.env['V']
}

/** A text with dollars of so many KiB. */
function text(kib: number): string {
  return `$$${'x'.repeat(kib * 1024)}`
}

const IN_ENV = templateOf([container({ env: [{ name: 'V', value: V }] })])
const IN_BOTH = templateOf([
  container({ env: [{ name: 'V', value: V }] }, { metadata: { annotations: { note: V } } }),
])

const input = (name: string, value = `{{inputs.parameters.${name}}}`) => ({
  inputs: { parameters: [{ name }] },
  container: { image: 'busybox', env: [{ name: 'V', value }] },
})
const call = (value: string, more: JsonObject = {}) => ({
  name: 'call',
  template: 'say',
  arguments: { parameters: [{ name: 'text', value }] },
  ...more,
})
const steps = (...calls: readonly JsonObject[]) => ({ name: 'main', steps: calls.map((one) => [one]) })
const SAY = { name: 'say', ...input('text') }

/** A place of each kind, and what is seen there. */
const EXPANDED: readonly (readonly [string, readonly JsonObject[], JsonObject])[] = [
  ['env', [container({ env: [{ name: 'V', value: V }] })], { containers: { main: { env: { V: ODD } } } }],
  ['args', [container({ args: ['-c', V] })], { containers: { main: { args: ['-c', ODD] } } }],
  ['command', [container({ command: [V] })], { containers: { main: { command: [ODD] } } }],
  ['script', [{ name: 'main', script: { image: 'a', source: `echo '${V}'` } }], { source: `echo '${ODD}'` }],
  [
    'env of a script',
    [{ name: 'main', script: { image: 'a', source: '', env: [{ name: 'V', value: V }] } }],
    { containers: { main: { env: { V: ODD } } } },
  ],
  [
    'raw data of an artifact',
    [container({}, { inputs: { artifacts: [{ name: 'a', path: '/a', raw: { data: V } }] } })],
    { artifacts: { a: ODD } },
  ],
  ['manifest', [{ name: 'main', resource: { action: 'create', manifest: V } }], { manifest: ODD }],
  [
    'default of an output',
    [container({}, { outputs: { parameters: [{ name: 'o', valueFrom: { path: '/o', default: V } }] } })],
    { defaults: { o: ODD } },
  ],
  [
    'a container set',
    [{ name: 'main', containerSet: { containers: [{ name: 'x', image: 'a', args: [V] }] } }],
    { containers: { x: { args: [ODD] } } },
  ],
  [
    'a sidecar and an init container',
    [
      container(
        {},
        {
          sidecars: [{ name: 'side', image: 'a', args: [V] }],
          initContainers: [{ name: 'before', image: 'a', command: [V] }],
        },
      ),
    ],
    { containers: { side: { args: [ODD] }, before: { command: [ODD] } } },
  ],
  ['an argument of a step', [steps(call(V)), SAY], { containers: { main: { env: { V: ODD } } } }],
  [
    'a chain of steps and tasks',
    [
      steps({ ...call(V), template: 'between' }),
      {
        name: 'between',
        inputs: { parameters: [{ name: 'text' }] },
        dag: { tasks: [call('{{inputs.parameters.text}}')] },
      },
      SAY,
    ],
    { containers: { main: { env: { V: ODD } } } },
  ],
  [
    'an item of a list',
    [steps(call('{{item}}', { withItems: [V] })), SAY],
    { containers: { main: { env: { V: ODD } } } },
  ],
  [
    'a field of an item',
    [steps(call('{{item.k}}', { withItems: [{ k: V }] })), SAY],
    { containers: { main: { env: { V: ODD } } } },
  ],
  [
    'the default of an input',
    [
      steps({ name: 'call', template: 'say' }),
      { name: 'say', ...input('text'), inputs: { parameters: [{ name: 'text', value: V }] } },
    ],
    { containers: { main: { env: { V: ODD } } } },
  ],
  [
    'an input of the entrypoint',
    [{ name: 'main', ...input('v') }],
    { containers: { main: { env: { V: ODD } } } },
  ],
  [
    'all parameters as one JSON text',
    [container({ env: [{ name: 'V', value: '{{workflow.parameters.json}}' }] })],
    {
      containers: {
        main: {
          env: {
            V: JSON.stringify([
              { name: 'v', value: ODD },
              { name: 'w', value: '' },
            ]),
          },
        },
      },
    },
  ],
  [
    'all inputs as one JSON text',
    [{ name: 'main', ...input('v', '{{inputs.parameters}}') }],
    { containers: { main: { env: { V: JSON.stringify([{ name: 'v', value: ODD }]) } } } },
  ],
  [
    'an inline template',
    [steps({ name: 'call', inline: input('text'), arguments: { parameters: [{ name: 'text', value: V }] } })],
    { containers: { main: { env: { V: ODD } } } },
  ],
]

describe('a value with dollars arrives as it is', () => {
  test.each(EXPANDED)('by %s', async (_, templates, seen) => {
    expect(await values.run([templateOf(templates)], { v: ODD })).toMatchObject([seen])
  })

  test('by what nothing expands', async () => {
    const template = templateOf([
      steps(call('{{=workflow.parameters.v}}', { when: `"${V}" != "x"` })),
      {
        name: 'say',
        inputs: { parameters: [{ name: 'text' }] },
        metadata: { annotations: { note: '{{inputs.parameters.text}}' } },
        container: { image: 'a' },
      },
    ])
    const [pod] = await values.run([template], { v: ODD })
    expect(pod).toMatchObject({ annotations: { note: ODD }, when: [`"${ODD}" != "x"`] })
  })

  test('by both, as JSON', async () => {
    const v = { text: ODD, list: ['$$', '$(X)', 'a$'] }
    const [pod] = await values.run([IN_BOTH], { v })
    for (const seen of [pod?.containers['main']?.env['V'], pod?.annotations['note']])
      expect(JSON.parse(seen ?? '')).toEqual(v)
  })

  test('in a list that Argo parses', async () => {
    const template = templateOf([steps(call('{{item}}', { withParam: V })), SAY])
    for (const v of [[ODD, 'x'], JSON.stringify([ODD, 'x'])]) {
      const pods = await values.run([template], { v })
      expect(pods.map(({ containers }) => containers['main']?.env['V'])).toEqual([ODD, 'x'])
    }
  })

  test('by a template of another one', async () => {
    const other: ArgoTemplate = {
      kind: 'WorkflowTemplate',
      metadata: { name: 'other' },
      spec: { entrypoint: '', templates: [SAY] },
    }
    const { template: _, ...byReference } = call(V)
    const main = templateOf([steps({ ...byReference, templateRef: { name: 'other', template: 'say' } })])
    const [pod] = await values.run([main, other], { v: ODD })
    expect(pod?.containers['main']?.env['V']).toBe(ODD)
  })

  test('by a cluster’s template, and by a cron workflow made of another template', async () => {
    const main = { ...IN_ENV, kind: 'ClusterWorkflowTemplate' } as const
    expect(await variable(main, { v: ODD }, { templateKind: 'ClusterWorkflowTemplate' })).toBe(ODD)
    const { template: _, ...byReference } = call(V)
    const templateRef = { name: 'places', template: 'say', clusterScope: true }
    const { spec } = templateOf([steps({ ...byReference, templateRef })])
    const cron: ArgoTemplate = {
      kind: 'CronWorkflow',
      metadata: { name: 'nightly' },
      spec: { workflowSpec: spec },
    }
    const others: ArgoTemplate = { ...main, spec: { templates: [SAY] } }
    const [pod] = await values.run([cron, others], { v: ODD }, { templateKind: 'CronWorkflow' })
    expect(pod?.containers['main']?.env['V']).toBe(ODD)
  })

  test('where it is an id, or a constant', async () => {
    const id = 'a$$b $(X) $'
    expect(await variable(IN_ENV, 1, { id, parameters: { v: '@id' } })).toBe(id)
    expect(await variable(IN_ENV, 1, { parameters: { v: 'a$$b $(X)' } })).toBe('a$$b $(X)')
  })

  test.each(['a$$b', '$(X)', '$$(X)', 'a$', '$é', '$(HOME', '\u2028 <&>', '{id}'])(
    'as the id %j',
    async (id) => {
      expect(await variable(IN_ENV, 1, { id, parameters: { v: '@id' } })).toBe(id)
    },
  )

  test('encoded', async () => {
    const options = { parameters: { v: { from: '$', as: 'base64' as const } } }
    const seen = await variable(IN_BOTH, ODD, options)
    expect(Buffer.from(seen ?? '', 'base64').toString()).toBe(ODD)
  })

  test('as: kubernetes doubles in any template, and as: verbatim in none', async () => {
    const [pod] = await values.run([IN_BOTH], 'a$$b', { parameters: { v: { from: '$', as: 'kubernetes' } } })
    expect(pod).toMatchObject({
      containers: { main: { env: { V: 'a$$b' } } },
      annotations: { note: 'a$$$$b' },
    })
    const [other] = await values.run([IN_BOTH], 'a$$b', { parameters: { v: { from: '$', as: 'verbatim' } } })
    expect(other).toMatchObject({
      containers: { main: { env: { V: 'a$b' } } },
      annotations: { note: 'a$$b' },
    })
  })
})

const expression = { name: 'V', value: '{{=workflow.parameters.v}}' }

/** Templates in which no doubling is right, or none is known to be. */
const UNSURE: readonly [string, readonly JsonObject[], JsonObject?][] = [
  [
    'env and an annotation',
    [container({ env: [{ name: 'V', value: V }] }, { metadata: { annotations: { a: V } } })],
  ],
  ['env and when', [steps(call(V, { when: `${V} == x` })), SAY]],
  ['env and a label of the workflow', [container({ args: [V] })], { workflowMetadata: { labels: { a: V } } }],
  ['an expression in env', [container({ env: [expression] })]],
  ['an expression that lands in env', [steps(call('{{=workflow.parameters["v"] + "x"}}')), SAY]],
  [
    'an annotation of the workflow that env reads',
    [container({ env: [{ name: 'V', value: '{{workflow.annotations.a}}' }] })],
    { workflowMetadata: { annotations: { a: V } } },
  ],
  ['podSpecPatch', [container({}, { podSpecPatch: `{"x": "${V}"}` })]],
  ['podSpecPatch of the workflow', [container({})], { podSpecPatch: `{"x": "${V}"}` }],
  ['a template that is not there', [steps({ ...call(V), template: 'nowhere' })]],
  [
    'a template of one that is not there',
    [steps({ name: 'a', templateRef: { name: 'nowhere', template: 'x' } })],
  ],
  ['a name made at run time', [steps({ name: 'a', template: `{{item}}`, withItems: ['say'] }), SAY]],
  ['a hook', [container({ args: [V] })], { hooks: { exit: { template: 'note' } } }],
  ['onExit', [container({ args: [V] }), { name: 'note', http: { url: V } }], { onExit: 'note' }],
  ['as the name of a variable', [container({ args: [`$(X_${V})`] })]],
  [
    'a dollar left open elsewhere',
    [{ name: 'main', metadata: { annotations: { a: '$(' } }, script: { image: 'a', source: V } }],
  ],
  [
    'an output that is read',
    [
      steps({ name: 'make', template: 'make' }, call('{{steps.make.outputs.parameters.o}}')),
      {
        name: 'make',
        container: { image: 'a' },
        outputs: { parameters: [{ name: 'o', valueFrom: { path: '/o', default: V } }] },
      },
      SAY,
    ],
  ],
  [
    'a template that calls itself with more each time',
    [
      {
        name: 'main',
        inputs: { parameters: [{ name: 'v', value: 'x' }] },
        steps: [
          [
            {
              ...call(''),
              template: 'main',
              arguments: { parameters: [{ name: 'v', value: '{{inputs.parameters.v}}x' }] },
            },
          ],
        ],
      },
    ],
  ],
]

describe('a value with dollars is refused before anything is sent, and the mapping named', () => {
  test.each(UNSURE)('for %s', async (_, templates, more) => {
    const end = values.run([templateOf(templates, more)], { v: 'a$$b' })
    await expect(end).rejects.toMatchObject({ code: 'SLUICE_JOB_REJECTED' })
    await expect(end).rejects.toThrow(/parameter v has dollars .*as: base64.*as: kubernetes.*as: verbatim/u)
    expect(values.bench.server.workflows.size).toBe(0)
  })

  test.each(['$(X)', '$$(X)', 'a$', 'a$é'])('as %s', async (v) => {
    await expect(values.run([IN_BOTH], { v })).rejects.toMatchObject({ code: 'SLUICE_JOB_REJECTED' })
  })

  test.each(['$5', 'a $ b', '${X}', '$X', '(x)'])('and %s is not: nothing rewrites it', async (v) => {
    expect(await variable(IN_BOTH, { v })).toBe(v)
  })

  test('where a neighbour makes it of two harmless ones', async () => {
    const template = templateOf([container({ args: [`$${V}`, `${W}{x}`] })])
    await expect(values.run([template], { v: '(HOME)' })).rejects.toThrow(/next to a dollar/u)
    await expect(values.run([template], { v: '$5' })).rejects.toThrow(/next to a dollar/u)
    await expect(values.run([template], { w: 'a{' })).rejects.toThrow(/makes "\{\{"/u)
    const [pod] = await values.run([template], { v: '5', w: 'x' })
    expect(pod?.containers['main']?.args).toEqual(['$5', 'x{x}'])
  })

  test('and for two that stand together both are doubled', async () => {
    const template = templateOf([container({ args: [`${V}${W}`] })])
    const [pod] = await values.run([template], { v: 'a$', w: '(HOME) $$' })
    expect(pod?.containers['main']?.args).toEqual(['a$(HOME) $$'])
    await expect(values.run([template], { v: 'a{', w: '{b' })).rejects.toThrow(/makes "\{\{"/u)
  })

  test('where the template gets too large with it, and smaller ones are not', async () => {
    expect(await variable(IN_ENV, { v: text(95) })).toBe(text(95))
    await expect(values.run([IN_ENV], { v: text(100) })).rejects.toThrow(/from 102400 on/u)
    const twice = templateOf([container({ args: [V], env: [{ name: 'V', value: V }] })])
    await expect(values.run([twice], { v: text(60) })).rejects.toThrow(/from 102400 on/u)
    // A text of the template counts once, whatever is put into it.
    const source = `${'#'.repeat(60 * 1024)}${V}`
    const [pod] = await values.run([templateOf([{ name: 'main', script: { image: 'a', source } }])], {
      v: text(30),
    })
    expect(pod?.source?.endsWith(text(30))).toBe(true)
    // As JSON it is six times as large.
    await expect(values.run([IN_ENV], { v: `$$${'<'.repeat(20_000)}` })).rejects.toThrow(/from 102400 on/u)
  })

  test('for what is set for all workflows, or for one', async () => {
    const options = { via: 'create', overridesFrom: '$.argo', parameters: { v: '$.v' } } as const
    const spec = { podMetadata: { annotations: { a: V } } }
    expect(await variable(IN_ENV, { v: '$$' }, options)).toBe('$$')
    await expect(values.run([IN_ENV], { v: '$$', argo: { spec } }, options)).rejects.toThrow(/podMetadata/u)
    await expect(values.run([IN_ENV], { v: '$$' }, { ...options, spec })).rejects.toThrow(/podMetadata/u)
  })
})

test('a list that has "{{" once it is parsed is refused: Argo would evaluate it', async () => {
  const template = templateOf([steps(call('{{item}}', { withParam: V })), SAY])
  const end = values.run([template], { v: ['{{workflow.name}}'] })
  await expect(end).rejects.toMatchObject({ code: 'SLUICE_JOB_REJECTED' })
  await expect(end).rejects.toThrow(/parameter v makes "\{\{" once it is parsed/u)
})

test('a field that is ignored is no reason to refuse an item', async () => {
  const byReference = steps({ name: 'a', templateRef: { name: 'nowhere', template: 'x' } })
  const end = values.run([templateOf([byReference])], { x: '$$' }, { unknownFields: 'ignore' })
  await expect(end).resolves.toEqual([])
})

describe('a template that can’t be read', () => {
  test('for an outage: the item waits; without dollars it is sent', async () => {
    values.bench.server.main.onRequest = ({ operation }) =>
      operation === 'GetWorkflowTemplate' ? answerWith('unavailable') : undefined
    await expect(values.run([IN_ENV], { v: '$$' })).rejects.toMatchObject({
      code: 'SLUICE_WORKER_UNAVAILABLE',
      message: expect.stringContaining('dollars in v'),
    })
    expect(values.bench.server.workflows.size).toBe(0)
    expect(await variable(IN_ENV, { v: '$5' })).toBe('$5')
    values.bench.server.main.onRequest = undefined
    expect(await variable(IN_ENV, { v: '$$' })).toBe('$$')
  })

  test('because another one that it refers to can’t: the same', async () => {
    const { template: _, ...byReference } = call(V)
    const main = templateOf([steps({ ...byReference, templateRef: { name: 'other', template: 'say' } })])
    values.bench.server.main.onRequest = ({ operation, name }) =>
      operation === 'GetWorkflowTemplate' && name === 'other' ? answerWith('unavailable') : undefined
    await expect(values.run([main], { v: '$$' })).rejects.toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
  })

  test('by permission: such an item is refused, JSON and others are sent', async () => {
    values.bench.server.access.denied.add('get workflowtemplates')
    await expect(values.run([IN_ENV], { v: '$$' })).rejects.toMatchObject({
      code: 'SLUICE_JOB_REJECTED',
      message: expect.stringContaining('as: kubernetes'),
    })
    expect(await variable(IN_ENV, { v: ['$$'] })).toBe('["\\u0024\\u0024"]')
    expect(await variable(IN_ENV, '$$', { parameters: { v: { from: '$', as: 'kubernetes' } } })).toBe('$$')
  })
})

async function check(template: ArgoTemplate, options: Partial<ArgoWorkerOptions>): Promise<void> {
  values.bench.server.templates.put(template)
  const worker = await values.bench.open({ template: 'places', ...options })
  return worker.check()
}

describe('check', () => {
  test('refuses a constant that could not arrive', async () => {
    await expect(check(IN_BOTH, { parameters: { v: 'a$$b' } })).rejects.toMatchObject({
      code: 'SLUICE_CONFIG_INVALID',
      message: expect.stringContaining('as: kubernetes'),
    })
    await check(IN_ENV, { parameters: { v: 'a$$b' } })
  })

  test('says how much room is left, and refuses a template that leaves none', async () => {
    const told: { roomBytes?: number }[] = []
    const logger = { ...silentLogger, info: (fields: object) => void told.push(fields) }
    await check(IN_ENV, { logger })
    const room = told.find(({ roomBytes }) => roomBytes !== undefined)?.roomBytes ?? 0
    expect(room).toBeGreaterThan(458_000)
    expect(room).toBeLessThan(460_800)
    await expect(check(IN_ENV, { maxTotalParameterBytes: 500 })).rejects.toMatchObject({
      code: 'SLUICE_CONFIG_INVALID',
      message: expect.stringContaining('leaves no room'),
    })
  })
})

/** Whether an item is accepted. */
async function fits(template: ArgoTemplate, body: JsonValue, options: RunOptions = {}): Promise<boolean> {
  try {
    await values.run([template], body, options)
    return true
  } catch (error) {
    if (isSluiceError(error, 'SLUICE_JOB_REJECTED')) return false
    throw error
  }
}

function long(bytes: number) {
  return { v: 'x'.repeat(bytes) }
}

describe('sizes', () => {
  const NOWHERE = templateOf([container({})])

  test.each<[string, ArgoTemplate, number]>([
    ['a variable of one letter', IN_ENV, 131_069],
    ['a variable of ten', templateOf([container({ env: [{ name: 'V'.repeat(10), value: V }] })]), 131_060],
    ['an argument', templateOf([container({ args: [V] })]), 131_071],
    ['an argument with more in it', templateOf([container({ args: [`--v=${V}`] })]), 131_067],
    ['an expression', templateOf([container({ env: [expression] })]), 128_000],
  ])('of %s are exact', async (_, template, most) => {
    expect([await fits(template, long(most)), await fits(template, long(most + 1))]).toEqual([true, false])
    await expect(values.run([template], long(most + 1))).rejects.toThrow(/parameter v .*at most/u)
  })

  test('of what no program is started with are bounded by the whole alone', async () => {
    expect(await fits(NOWHERE, long(400_000))).toBe(true)
    const end = values.run([NOWHERE], { ...long(400_000), w: 'y'.repeat(61_000) })
    await expect(end).rejects.toMatchObject({ code: 'SLUICE_JOB_REJECTED' })
    await expect(end).rejects.toThrow(
      /is 461\d{3} bytes as JSON, and template places \d+: .* parameter is v, of 400000/u,
    )
  })

  test('have the template’s own in the room', async () => {
    const large = templateOf([
      container({}),
      { name: 'x', metadata: { annotations: { a: 'y'.repeat(200_000) } } },
    ])
    expect(await fits(large, long(200_000))).toBe(true)
    expect(await fits(large, long(280_000))).toBe(false)
    expect(await fits(large, long(280_000), { maxTotalParameterBytes: 600_000 })).toBe(true)
  })

  test('count what Go escapes', async () => {
    expect(await fits(NOWHERE, { v: '<'.repeat(80_000) })).toBe(false)
    expect(await fits(NOWHERE, { v: '('.repeat(80_000) })).toBe(true)
  })

  test('where the template may not be read are at most 128,000, or what is set', async () => {
    values.bench.server.access.denied.add('get workflowtemplates')
    expect([await fits(IN_ENV, long(128_000)), await fits(IN_ENV, long(128_001))]).toEqual([true, false])
    expect(await fits(NOWHERE, long(128_001), { maxParameterBytes: 200_000 })).toBe(true)
  })

  test('that are set hold beside the others', async () => {
    expect(await fits(IN_ENV, long(61), { maxParameterBytes: 60 })).toBe(false)
    // Doubled, it is longer.
    expect(await fits(IN_ENV, { v: '$'.repeat(31) }, { maxParameterBytes: 60 })).toBe(false)
    expect(await fits(IN_ENV, { v: '$'.repeat(30) }, { maxParameterBytes: 60 })).toBe(true)
  })
})

test('a template that changed is read again before such a value is written by it', async () => {
  const { server } = values.bench
  let nowMs = 0
  const runtime = { ...systemRuntime, monotonicMs: () => nowMs, sleep: async () => undefined }
  server.templates.put(IN_ENV)
  const worker = await values.bench.open({ template: 'places', runtime })
  const spec = { attempt: 1, queue: worker.name }
  await worker.sendJob('a', { v: '$$' }, { ...spec, uid: 'a' })
  server.templates.put(templateOf([container({}, { metadata: { annotations: { note: V } } })]))
  nowMs += 6_000
  await worker.sendJob('b', { v: '$$' }, { ...spec, uid: 'b' })
  const name = values.bench.nameOf({ ...jobOf('b'), uid: 'b' })
  expect(server.workflows.get(name)?.spec).toMatchObject({
    arguments: { parameters: [{ name: 'v', value: '$$' }] },
  })
})
