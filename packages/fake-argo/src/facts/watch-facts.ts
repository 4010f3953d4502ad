import { check, same } from '@sluice/testkit/server'
import { argoLabel, asObject, asText, type JsonObject } from '../argo-workflow.js'
import type { ArgoFact, ArgoTarget } from './argo-fact.js'
import { labelsOf, metadataOf, phaseOf, Probe, taken } from './probe.js'
import { Watching } from './watching.js'

/** What a watch sends. */
export const watchFacts: readonly ArgoFact[] = [
  {
    id: 'ARGO-WATCH-1',
    title: 'As server-sent events each frame is `data: `, JSON, a blank, and three line ends.',
    run: (target) =>
      watched(target, { 'listOptions.resourceVersion': '0' }, async (probe, watch) => {
        await probe.submitted('a')
        const frame = await watch.raw((text) => /\n\n\n/.test(text))
        same(watch.type, 'text/event-stream', 'the type')
        const first = frame.replace(/^(?::\n)+/, '')
        check(/^data: \{"result":\{.*\}\} \n\n\n/.test(first), 'the first frame', first.slice(0, 200))
      }),
  },
  {
    id: 'ARGO-WATCH-2',
    title: 'With another Accept it is a line of JSON for each change.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        await probe.submitted('a')
        const query = { 'listOptions.labelSelector': probe.label, 'listOptions.resourceVersion': '0' }
        await Watching.use(probe, { query: query, accept: 'application/json' }, async (watch) => {
          const line = await watch.raw((text) => text.includes('\n'))
          same(watch.type, 'application/json', 'the type')
          check(line.startsWith('{"result":{'), 'the first line', line.slice(0, 200))
        })
      }),
  },
  {
    id: 'ARGO-WATCH-3',
    title: 'From resourceVersion 0 it begins with ADDED for all workflows, and goes on with every phase.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        await probe.submitted('a', { parameters: ['item=1', 'seconds=2'] })
        const query = { 'listOptions.labelSelector': probe.label, 'listOptions.resourceVersion': '0' }
        await Watching.use(probe, { query: query }, async (watch) => {
          const added = await watch.event(() => true)
          same([added['type'], nameOf(added)], ['ADDED', probe.name('a')], 'the first event')
          const ended = await watch.event((event) => phaseOf(objectOf(event)) === 'Succeeded')
          same(ended['type'], 'MODIFIED', 'the type of the last one')
          same(labelsOf(objectOf(ended))[argoLabel('completed')], 'true', 'its label')
        })
      }),
  },
  {
    id: 'ARGO-WATCH-4',
    title: 'From a list’s resourceVersion it sends later changes, and no earlier workflow as new.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        await probe.submitted('a')
        await probe.untilPhase('a', 'Succeeded')
        const came = await probe.until(
          'the ended one in a list',
          () => probe.list({ 'listOptions.labelSelector': `${probe.label},${argoLabel('completed')}=true` }),
          ({ body }) => Array.isArray(body['items']),
        )
        const resourceVersion = asText(metadataOf(came.body)['resourceVersion']) ?? ''
        const query = {
          'listOptions.labelSelector': probe.label,
          'listOptions.resourceVersion': resourceVersion,
        }
        await Watching.use(probe, { query: query }, async (watch) => {
          await probe.submitted('b')
          // A workflow that ended before may still change, such as when it is archived, but is not sent as
          // new.
          const added = await watch.event((event) => event['type'] === 'ADDED')
          same(nameOf(added), probe.name('b'), 'the first that is new')
        })
      }),
  },
  {
    id: 'ARGO-WATCH-5',
    title: 'A workflow that leaves the selection, or is deleted, is sent as DELETED.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const selector = `${probe.label},${argoLabel('completed')}!=true`
        const query = { 'listOptions.labelSelector': selector, 'listOptions.resourceVersion': '0' }
        await Watching.use(probe, { query: query }, async (watch) => {
          await probe.submitted('a')
          const left = await watch.event((event) => event['type'] === 'DELETED')
          same(nameOf(left), probe.name('a'), 'what left the selection')
          taken(await probe.get('a'), 'GET of what left the selection')
          await probe.submitted('b', { parameters: ['item=1', 'seconds=60'] })
          await watch.event((event) => nameOf(event) === probe.name('b'))
          taken(await probe.send('DELETE', probe.path(probe.name('b'))), 'DELETE')
          const gone = await watch.event((event) => event['type'] === 'DELETED')
          same(nameOf(gone), probe.name('b'), 'what was deleted')
        })
      }),
  },
  {
    id: 'ARGO-WATCH-6',
    title: 'A resourceVersion that is too old ends it with gRPC code 3, HTTP code 400, in an object `error`.',
    run: (target) =>
      watched(target, { 'listOptions.resourceVersion': '1' }, async (_, watch) => {
        const error = await watch.error()
        same([error['grpc_code'], error['http_code']], [3, 400], 'the codes')
        check((asText(error['message']) ?? '').includes('too old'), 'the message', error['message'])
      }),
  },
  {
    id: 'ARGO-WATCH-7',
    title:
      'When Kubernetes closes it, as after timeoutSeconds, it ends with an EOF of gRPC code 8, HTTP code 429.',
    run: (target) =>
      watched(target, { 'listOptions.timeoutSeconds': '2' }, async (probe, watch) => {
        // Without a frame before it there would be another status.
        await probe.submitted('a')
        await watch.event(() => true)
        const error = await watch.error()
        same(
          [error['grpc_code'], error['http_code'], error['message']],
          [8, 429, 'EOF'],
          'the codes and message',
        )
        same(error['http_status'], 'Too Many Requests', 'the status text')
      }),
  },
  {
    id: 'ARGO-WATCH-8',
    title:
      '`fields` is applied to the whole frame: without result.type there is no type, with it and result.object.… there is what was selected.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        await probe.submitted('a')
        const base = { 'listOptions.labelSelector': probe.label, 'listOptions.resourceVersion': '0' }
        await Watching.use(
          probe,
          { query: { ...base, fields: 'result.object.metadata.name' } },
          async (watch) => {
            const event = await watch.event(() => true)
            same(event, { object: { metadata: { name: probe.name('a') } } }, 'an event without its type')
          },
        )
        await Watching.use(
          probe,
          { query: { ...base, fields: 'result.type,result.object.metadata.name' } },
          async (watch) => {
            const event = await watch.event(() => true)
            same(
              event,
              { type: 'ADDED', object: { metadata: { name: probe.name('a') } } },
              'an event with its type',
            )
          },
        )
      }),
  },
  {
    id: 'ARGO-WATCH-9',
    title: 'A watch of one missing name is refused with 404 in the format of streams.',
    run: (target) =>
      watched(target, { 'listOptions.fieldSelector': 'metadata.name=nosuch-workflow' }, async (_, watch) => {
        const error = await watch.error()
        same([watch.status, error['http_code']], [404, 404], 'status and code')
      }),
  },
  {
    id: 'ARGO-WATCH-10',
    title: 'Without changes it sends a comment line every 15 seconds, and no header before it.',
    slow: true,
    run: (target) =>
      watched(target, {}, async (_, watch) => {
        const text = await watch.raw((seen) => seen.length >= 2)
        same(text, ':\n', 'the first bytes')
      }),
  },
]

function watched(
  target: ArgoTarget,
  query: Readonly<Record<string, string>>,
  steps: (probe: Probe, watch: Watching) => Promise<void>,
): Promise<void> {
  return Probe.use(target, (probe) => {
    const all = { 'listOptions.labelSelector': probe.label, ...query }
    return Watching.use(probe, { query: all }, (watch) => steps(probe, watch))
  })
}

function objectOf(event: JsonObject): JsonObject {
  return asObject(event['object'])
}

function nameOf(event: JsonObject): unknown {
  return metadataOf(objectOf(event))['name']
}
