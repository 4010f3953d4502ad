import { check, same } from '@sluice/testkit/server'
import { argoLabel, asArray, asObject, asText } from '../argo-workflow.js'
import type { ArgoFact } from './argo-fact.js'
import { labelsOf, metadataOf, Probe, refused, taken } from './probe.js'

/** What a create does. */
export const createFacts: readonly ArgoFact[] = [
  {
    id: 'ARGO-CREATE-1',
    title: 'A create keeps metadata of any shape, stores values as text, and adds no label of the template.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const annotations = { 'example.com/context': '{"any":"json, = <ok>"}' }
        const parameters = [
          { name: 'item', value: 42 },
          { name: 'seconds', value: 0 },
        ]
        const manifest = probe.manifest({ name: probe.name('a'), annotations }, { arguments: { parameters } })
        const workflow = taken(await probe.create(manifest), 'the create')
        same(metadataOf(workflow)['annotations'], annotations, 'the annotations')
        same(metadataOf(workflow)['generateName'], undefined, 'the generateName')
        const given = asArray(asObject(asObject(workflow['spec'])['arguments'])['parameters'])
        same(given[0], { name: 'item', value: '42' }, 'the first argument')
        same(labelsOf(workflow)[argoLabel('workflow-template')], undefined, 'the label of the template')
      }),
  },
  {
    id: 'ARGO-CREATE-2',
    title:
      'A name that exists is refused with 409, code 6, with the plain message when there is no generateName.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const manifest = probe.manifest({ name: probe.name('a') })
        taken(await probe.create(manifest), 'the create')
        refused(await probe.create(manifest), [409, 6], {
          words: /"[^"]+" already exists$/,
          what: 'a second create',
        })
        const both = probe.manifest({ name: probe.name('a'), generateName: `${probe.name('g')}-` })
        const words = 'already exists, the server was not able to generate a unique name'
        refused(await probe.create(both), [409, 6], { words: words, what: 'a create with a generateName' })
      }),
  },
  {
    id: 'ARGO-CREATE-3',
    title:
      'Without a workflow in the body it is refused with 400, code 3; for another namespace its template is resolved there: 404, code 5.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const none = await probe.send('POST', `workflows/${target.namespace}`, { body: {} })
        refused(none, [400, 3], { words: 'workflow body not specified', what: 'an empty body' })
        const other = probe.manifest({ name: probe.name('a'), namespace: 'elsewhere' })
        refused(await probe.create(other), [404, 5], { words: 'not found', what: 'another namespace' })
      }),
  },
  {
    id: 'ARGO-CREATE-4',
    title: 'Templates beside a reference to one are refused with 400, code 3.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const templates = [{ name: 'main', suspend: {} }]
        const manifest = probe.manifest({ name: probe.name('a') }, { templates })
        refused(await probe.create(manifest), [400, 3], {
          words: 'Templates is invalid field in spec',
          what: 'such a workflow',
        })
      }),
  },
  {
    id: 'ARGO-CREATE-5',
    title: 'With only a generateName the server generates the name.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const generateName = `${probe.name('g')}-`
        const workflow = taken(await probe.create(probe.manifest({ generateName })), 'the create')
        const name = asText(metadataOf(workflow)['name']) ?? ''
        const made = new RegExp(`^${generateName}[bcdfghjklmnpqrstvwxz2456789]{5}$`)
        check(made.test(name), `the name is made of ${generateName}`, name)
      }),
  },
  {
    id: 'ARGO-CREATE-6',
    title: 'The server’s labels override those given to a create.',
    needs: ({ token }) => (token === undefined ? 'without a token there is no creator' : undefined),
    run: (target) =>
      Probe.use(target, async (probe) => {
        const labels = { [argoLabel('creator')]: 'another', 'example.com/own': 'x' }
        const manifest = probe.manifest({ name: probe.name('a'), labels })
        const given = labelsOf(taken(await probe.create(manifest), 'the create'))
        same(given['example.com/own'], 'x', 'a label of one’s own')
        same(given[argoLabel('creator')] === 'another', false, 'the creator is the one given')
      }),
  },
  {
    id: 'ARGO-CREATE-7',
    title: 'A dry run returns the workflow without a uid and stores nothing.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const manifest = probe.manifest({ name: probe.name('a') })
        const dry = taken(await probe.create(manifest, { createOptions: { dryRun: ['All'] } }), 'a dry run')
        same(metadataOf(dry)['uid'], undefined, 'the uid')
        same((await probe.get('a')).status, 404, 'the status of GET afterwards')
      }),
  },
  {
    id: 'ARGO-CREATE-8',
    title:
      'The server’s dry run returns the workflow with a uid, is refused under a name that exists, and stores nothing.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const manifest = probe.manifest({ name: probe.name('a') })
        const dry = taken(await probe.create(manifest, { serverDryRun: true }), 'a dry run')
        check(typeof metadataOf(dry)['uid'] === 'string', 'it has a uid')
        same((await probe.get('a')).status, 404, 'the status of GET afterwards')
        taken(await probe.create(manifest), 'the create')
        const again = await probe.create(manifest, { serverDryRun: true })
        refused(again, [409, 6], { words: 'already exists', what: 'a dry run of the name' })
      }),
  },
]
