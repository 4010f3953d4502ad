import { isSluiceError } from '@sluice/core'
import type { ArgoTemplate, JsonObject, KubeletVersion, SeenPod } from '@sluice/fake-argo'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { container, templateOf, V, ValuesBench, W } from './values-bench.js'

/** Texts of what could be read as something, and of anything else. */
const oddText = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '$',
        '$$',
        '$(',
        ')',
        '(',
        '$(FIRST)',
        '$$(FIRST)',
        '$(ARGO_CONTAINER_NAME)',
        '{',
        '}',
        '"',
        '\\',
        '\\u0024',
      ),
      fc.constantFrom('é', '$é', '<', '\n', ' ', '1e3', 'null', "'", '#', ': '),
      fc.string({ maxLength: 5 }),
      fc.string({ maxLength: 5, unit: 'grapheme' }),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''))
  .filter((text) => text.isWellFormed())

/** With what lifts a small template over 100 and over 128 KiB. */
const text = fc.oneof(
  { weight: 8, arbitrary: oddText },
  {
    weight: 1,
    arbitrary: fc
      .tuple(oddText, fc.constantFrom(30_000, 60_000, 101_000, 131_000), fc.constantFrom('x', '$a', '<'))
      .map(([odd, bytes, filler]) => odd + filler.repeat(bytes / filler.length)),
  },
)

/** How the values stand in a text of the template, and what is to be seen for it. */
interface Shape {
  readonly text: string
  readonly seen: (v: string, w: string) => string
}
const shapes: readonly Shape[] = [
  { text: V, seen: (v) => v },
  { text: W, seen: (_, w) => w },
  { text: `${V}${W}`, seen: (v, w) => v + w },
  { text: `<${V}> ${W}!`, seen: (v, w) => `<${v}> ${w}!` },
  { text: `$${V}`, seen: (v) => `$${v}` },
  { text: `a (${V}) $(FIRST`, seen: (v) => `a (${v}) $(FIRST` },
  { text: 'nothing', seen: () => 'nothing' },
]

/** Mostly those that can be right. */
const shape = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...shapes.slice(0, 4)) },
  { weight: 1, arbitrary: fc.constantFrom(...shapes) },
)
const maybe = fc.option(shape, { nil: undefined })
const none = fc.constant(undefined)

/**
 * A place for each of these; those that there are none of are left out: what is expanded, what isn't, and
 * both.
 */
const expanded = { env: maybe, args: maybe, source: maybe, raw: maybe, fallback: maybe }
const placesOf = fc.oneof(
  { weight: 4, arbitrary: fc.record({ ...expanded, note: none, when: none }) },
  {
    weight: 1,
    arbitrary: fc.record({
      env: none,
      args: none,
      source: none,
      raw: none,
      fallback: none,
      note: maybe,
      when: maybe,
    }),
  },
  { weight: 1, arbitrary: fc.record({ ...expanded, note: maybe, when: maybe }) },
)
type Places = typeof placesOf extends fc.Arbitrary<infer T> ? T : never

const kubelets = fc.constantFrom<KubeletVersion>('1.34.3', '1.34.4')

const routes = ['direct', 'step', 'item', 'other'] as const
type Route = (typeof routes)[number]

/**
 * What the values are called where the places are: the workflow's parameters, or inputs that they are passed
 * to.
 */
function named(shapeText: string, route: Route): string {
  return route === 'direct' ? shapeText : shapeText.replaceAll('workflow.parameters', 'inputs.parameters')
}

function leafOf(places: Places, route: Route): JsonObject {
  const textOf = (one: Shape | undefined) => named(one?.text ?? '', route)
  const artifacts =
    places.raw === undefined ? [] : [{ name: 'a', path: '/a', raw: { data: textOf(places.raw) } }]
  return {
    name: 'leaf',
    inputs: { ...(route === 'direct' ? {} : { parameters: [{ name: 'v' }, { name: 'w' }] }), artifacts },
    ...(places.note === undefined ? {} : { metadata: { annotations: { note: textOf(places.note) } } }),
    script: {
      image: 'busybox',
      env: [
        { name: 'FIRST', value: 'one' },
        ...(places.env === undefined ? [] : [{ name: 'V', value: textOf(places.env) }]),
      ],
      args: places.args === undefined ? [] : [textOf(places.args)],
      source: textOf(places.source),
    },
    outputs: {
      parameters:
        places.fallback === undefined
          ? []
          : [{ name: 'o', valueFrom: { path: '/o', default: textOf(places.fallback) } }],
    },
  }
}

/** The templates that lead a value to the places of a leaf. */
function templatesOf(places: Places, route: Route): readonly ArgoTemplate[] {
  const leaf = leafOf(places, route)
  const passed = route === 'item' ? ['{{item.v}}', '{{item.w}}'] : [V, W]
  const call: JsonObject = {
    name: 'call',
    ...(route === 'other' ? { templateRef: { name: 'others', template: 'leaf' } } : { template: 'leaf' }),
    ...(route === 'item' ? { withItems: [{ v: V, w: W }] } : {}),
    ...(places.when === undefined ? {} : { when: places.when.text }),
    arguments:
      route === 'direct'
        ? {}
        : { parameters: passed.map((value, index) => ({ name: 'vw'[index] ?? '', value })) },
  }
  const main = { name: 'main', steps: [[call]] }
  const others: ArgoTemplate = {
    kind: 'WorkflowTemplate',
    metadata: { name: 'others' },
    spec: { templates: [leaf] },
  }
  return route === 'other' ? [templateOf([main]), others] : [templateOf([main, leaf])]
}

/** What is seen in each place, beside what should be. */
function compared(pod: SeenPod, places: Places, [v, w]: readonly [string, string]) {
  const main = pod.containers['main']
  const seen = {
    env: main?.env['V'],
    args: main?.args[0],
    source: pod.source,
    raw: pod.artifacts['a'],
    fallback: pod.defaults['o'],
    note: pod.annotations['note'],
    when: pod.when[0],
  }
  const fields = Object.entries(places).filter(([, one]) => one !== undefined)
  const wanted = Object.fromEntries(fields.map(([field, one]) => [field, one?.seen(v, w)]))
  const given = Object.fromEntries(fields.map(([field]) => [field, Reflect.get(seen, field)]))
  return { wanted, given }
}

/** How many were accepted, and of those with such dollars. */
const counts = { accepted: 0, withDollars: 0, refused: 0 }

describe('on kubelets new and old', () => {
  let values: ValuesBench
  beforeAll(async () => {
    values = await ValuesBench.start()
  })
  afterAll(() => values.close())

  test.each(routes)('any text that is accepted arrives byte for byte, by the route %s', async (route) => {
    await fc.assert(
      fc.asyncProperty(kubelets, placesOf, text, text, async (kubelet, places, v, w) => {
        values.bench.server.controller.settings.kubelet = kubelet
        try {
          const [pod] = await values.run(templatesOf(places, route), { v, w })
          if (pod === undefined) throw new Error('there is no pod')
          const { wanted, given } = compared(pod, places, [v, w])
          expect(given).toEqual(wanted)
          counts.accepted++
          if (/\$[$(]/u.test(v + w)) counts.withDollars++
        } catch (error) {
          if (!isSluiceError(error, 'SLUICE_JOB_REJECTED')) throw error
          counts.refused++
        }
      }),
      { numRuns: 100 },
    )
  })

  test('any JSON that is accepted is the same JSON, in every place', async () => {
    const places: Places = {
      env: shapes[0],
      args: shapes[0],
      source: shapes[0],
      raw: shapes[0],
      fallback: shapes[0],
      note: shapes[0],
      when: undefined,
    }
    const json = fc.oneof(fc.array(oddText), fc.dictionary(oddText, oddText), fc.array(fc.array(oddText)))
    await fc.assert(
      fc.asyncProperty(json, async (v) => {
        const [pod] = await values.run(templatesOf(places, 'step'), { v, w: '' })
        if (pod === undefined) throw new Error('there is no pod')
        const { given } = compared(pod, places, ['', ''])
        for (const seen of Object.values(given)) expect(JSON.parse(String(seen))).toEqual(v)
      }),
      { numRuns: 40 },
    )
  })

  test('each text of a list that Argo parses is the same text', async () => {
    const say = {
      ...container({ args: ['{{inputs.parameters.text}}'] }),
      name: 'say',
      inputs: { parameters: [{ name: 'text' }] },
    }
    const call = {
      name: 'a',
      template: 'say',
      withParam: V,
      arguments: { parameters: [{ name: 'text', value: '{{item}}' }] },
    }
    const template = templateOf([{ name: 'main', steps: [[call]] }, say])
    await fc.assert(
      fc.asyncProperty(
        fc.array(oddText, { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        async (list, asText) => {
          const end = values.run([template], { v: asText ? JSON.stringify(list) : list })
          const seen = await end.then(
            (pods) => pods.map((pod) => pod.containers['main']?.args[0]),
            (error: Error) => /(?:has|makes) "\{\{"/u.test(error.message) && 'refused',
          )
          // As a text it is one already, and parsed it would be one.
          expect(seen).toEqual(list.some((one) => one.includes('{{')) ? 'refused' : list)
        },
      ),
      { numRuns: 40 },
    )
  })
})

test('and that is a test of something: many were accepted, with dollars too, and some refused', () => {
  expect(counts.accepted).toBeGreaterThan(150)
  expect(counts.withDollars).toBeGreaterThan(30)
  expect(counts.refused).toBeGreaterThan(30)
})
