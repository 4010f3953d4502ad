import { same } from '@sluice/testkit/server'
import { asArray, asObject, asText, type JsonObject } from '../argo-workflow.js'
import type { ArgoFact } from './argo-fact.js'
import { Probe, refused, taken } from './probe.js'

/** Characters that Go's quoting writes in a form that JSON does not have. */
const UNREADABLE = ['\u0001', '\u0007', '\u000b', '\u007f', '\u{e0067}']
/** Characters that it writes as JSON does, or keeps. */
const READABLE = 'a\b\f\n\r\t\u0085\u200b\ufeff\u{1f600}"\\'

/** Which arguments are accepted, and the errors for others. */
export const argumentFacts: readonly ArgoFact[] = [
  {
    id: 'ARGO-ARGUMENT-1',
    title: 'Beside a reference to a template a parameter may be given twice; both are kept.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const given = await probe.submit('a', { parameters: ['item=1', 'seconds=0', 'item=2'] })
        const expected = [
          { name: 'item', value: '1' },
          { name: 'seconds', value: '0' },
          { name: 'item', value: '2' },
        ]
        same(argumentsOf(taken(given, 'a parameter given twice')), expected, 'the arguments')
      }),
  },
  {
    id: 'ARGO-ARGUMENT-2',
    title: 'In a spec of its own, such as a CronWorkflow’s copy, it is refused with 400, code 3.',
    needs: ({ cronWorkflow }) => (cronWorkflow === undefined ? 'no CronWorkflow given' : undefined),
    run: (target) =>
      Probe.use(target, async (probe) => {
        const request = { resourceKind: 'CronWorkflow', resourceName: target.cronWorkflow ?? '' }
        const twice = await probe.submit('a', { parameters: ['item=1', 'item=2'] }, request)
        refused(twice, [400, 3], {
          words: "spec.arguments.parameters[1].name 'item' is not unique",
          what: 'it',
        })
      }),
  },
  {
    id: 'ARGO-ARGUMENT-3',
    title:
      'A value with a control character that JSON has no short form for, or that Go cannot print beyond U+FFFF, is refused with 400, code 3, where a template uses it.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const words = 'cannot finish template replacement because the result was invalid JSON'
        for (const character of UNREADABLE) {
          const came = await probe.submit('a', { parameters: [`item=a${character}b`, 'seconds=0'] })
          refused(came, [400, 3], { words: words, what: `U+${character.codePointAt(0)?.toString(16) ?? ''}` })
        }
        const kept = taken(await probe.submit('a', { parameters: [`item=${READABLE}`] }), 'the others')
        same(argumentsOf(kept)[0], { name: 'item', value: READABLE }, 'the value')
      }),
  },
  {
    id: 'ARGO-ARGUMENT-4',
    title: 'Without parameters the spec has empty arguments, and the status two instants.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const spec = { entrypoint: 'main', templates: [{ name: 'main', suspend: {} }] }
        const workflow = { metadata: { name: probe.name('a') }, spec }
        const made = taken(await probe.create(workflow), 'the create')
        same(asObject(made['spec'])['arguments'], {}, 'the arguments')
        same(made['status'], { startedAt: null, finishedAt: null }, 'the status')
      }),
  },
  {
    id: 'ARGO-ADMISSION-1',
    title: 'What a policy or webhook denies is refused with 400, code 3, by submit and by create.',
    needs: ({ denied }) => (denied === undefined ? 'no label given that is denied' : undefined),
    run: (target) =>
      Probe.use(target, async (probe) => {
        const [key = '', value = ''] = (target.denied ?? '').split('=')
        const submit = await probe.submit('a', { labels: target.denied ?? '' })
        refused(submit, [400, 3], { words: /denied (?:the )?request: /, what: 'a submit' })
        const create = await probe.create(probe.manifest({ name: probe.name('a'), labels: { [key]: value } }))
        refused(create, [400, 3], { words: /denied (?:the )?request: /, what: 'a create' })
        same((await probe.get('a')).status, 404, 'the status of GET afterwards')
      }),
  },
  {
    id: 'ARGO-ADMISSION-2',
    title: 'What a policy or webhook denies is denied in the server’s dry run too, and not in the local one.',
    needs: ({ denied }) => (denied === undefined ? 'no label given that is denied' : undefined),
    run: (target) =>
      Probe.use(target, async (probe) => {
        const labels = target.denied ?? ''
        const server = await probe.submit('a', { labels, serverDryRun: true })
        refused(server, [400, 3], { words: /denied (?:the )?request: /, what: 'a dry run of the server' })
        taken(await probe.submit('a', { labels, dryRun: true }), 'a local dry run')
      }),
  },
]

function argumentsOf(workflow: JsonObject): JsonObject[] {
  const given = asArray(asObject(asObject(workflow['spec'])['arguments'])['parameters']).map(asObject)
  return given.map(({ name, value }) => ({ name: asText(name) ?? '', value: asText(value) ?? '' }))
}
