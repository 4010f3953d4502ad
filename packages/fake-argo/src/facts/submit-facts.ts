import { check, same } from '@sluice/testkit/server'
import { argoLabel, asArray, asObject } from '../argo-workflow.js'
import type { ArgoFact } from './argo-fact.js'
import { labelsOf, metadataOf, phaseOf, Probe, refused, statusOf, taken } from './probe.js'

const MALFORMED_PAIRS = ['k', '=v', 'k=v,', 'k=a=b']

/** What a submit does. */
export const submitFacts: readonly ArgoFact[] = [
  {
    id: 'ARGO-SUBMIT-1',
    title:
      'A submit is answered 200 with the workflow: no kind, no phase, null instants, what it runs in its status, a generateName besides the name.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const workflow = await probe.submitted('a')
        same([workflow['kind'], workflow['apiVersion']], [undefined, undefined], 'kind and apiVersion')
        const { name, generateName, namespace, uid } = metadataOf(workflow)
        same(
          [name, generateName, namespace],
          [probe.name('a'), `${target.template}-`, target.namespace],
          'names',
        )
        check(typeof uid === 'string' && uid !== '', 'it has a uid')
        const { storedTemplates, ...status } = statusOf(workflow)
        same(status, { startedAt: null, finishedAt: null }, 'its status')
        const stored = asObject(asObject(storedTemplates)[`namespaced/${target.template}/main`])
        same(stored['name'], 'main', 'the template in its status')
        same(labelsOf(workflow)[argoLabel('workflow-template')], target.template, 'its label of the template')
        const ref = { name: target.template }
        same(asObject(workflow['spec'])['workflowTemplateRef'], ref, 'its reference to the template')
      }),
  },
  {
    id: 'ARGO-SUBMIT-2',
    title:
      'A name that exists is refused with 409, code 6, with the message for a generated name; the first workflow is unchanged.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const first = await probe.submitted('a', { parameters: ['item=first'] })
        const again = await probe.submit('a', { parameters: ['item=second'] })
        const words = 'already exists, the server was not able to generate a unique name for the object'
        refused(again, [409, 6], { words: words, what: 'a second submit of the name' })
        const now = taken(await probe.get('a'), 'GET')
        same(metadataOf(now)['uid'], metadataOf(first)['uid'], 'the uid')
        same(asObject(now['spec'])['arguments'], asObject(first['spec'])['arguments'], 'the arguments')
      }),
  },
  {
    id: 'ARGO-SUBMIT-3',
    title: 'Labels given to a submit override those that the server sets.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const labels = `${probe.label},${argoLabel('creator')}=another,example.com/empty=`
        const workflow = await probe.submitted('a', { labels })
        same(labelsOf(workflow)[argoLabel('creator')], 'another', 'the creator')
        same(labelsOf(workflow)['example.com/empty'], '', 'a label without a value')
      }),
  },
  {
    id: 'ARGO-SUBMIT-4',
    title: 'Malformed labels and annotations are refused with 500, code 13, and nothing is stored.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        for (const text of MALFORMED_PAIRS) {
          const labels = await probe.submit('a', { labels: text })
          refused(labels, [500, 13], { words: 'expected labels of the form', what: `labels ${text}` })
          const annotations = await probe.submit('a', { annotations: text })
          refused(annotations, [500, 13], {
            words: 'expected Annotations of the form',
            what: `annotations ${text}`,
          })
        }
        same((await probe.get('a')).status, 404, 'the status of GET afterwards')
      }),
  },
  {
    id: 'ARGO-SUBMIT-5',
    title:
      'A parameter is split at its first `=`; the rest is kept unchanged, and may be empty. Unknown names are kept too.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const value = 'a=b,c d\n"é\\ <&> {{foo}}'
        const parameters = [`item=${value}`, 'seconds=0', 'unknown=']
        const workflow = await probe.submitted('a', { parameters })
        const given = asArray(asObject(asObject(workflow['spec'])['arguments'])['parameters'])
        const expected = [
          { name: 'item', value },
          { name: 'seconds', value: '0' },
          { name: 'unknown', value: '' },
        ]
        same(given, expected, 'the arguments')
      }),
  },
  {
    id: 'ARGO-SUBMIT-6',
    title: 'A parameter without `=` is refused with 500, code 13.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const came = await probe.submit('a', { parameters: ['item'] })
        refused(came, [500, 13], {
          words: 'expected parameter of the form: NAME=VALUE. Received: item',
          what: 'such a parameter',
        })
      }),
  },
  {
    id: 'ARGO-SUBMIT-7',
    title: 'Parameters that are missing, or outside their enum, are refused with 400, code 3.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const none = await probe.submit('a', { parameters: [] })
        refused(none, [400, 3], {
          words: 'spec.arguments.item.value or spec.arguments.item.valueFrom is required',
          what: 'none',
        })
        const odd = await probe.submit('a', { parameters: ['item=1', 'mode=odd'] })
        refused(odd, [400, 3], {
          words: 'should be present in spec.arguments.mode.enum list',
          what: 'a value outside the enum',
        })
      }),
  },
  {
    id: 'ARGO-SUBMIT-8',
    title: 'Values are templates: a reference to something that no workflow has is refused with 400, code 3.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        for (const reference of ['{{inputs.x}}', '{{workflow.nosuch}}', '{{steps.a.outputs.result}}']) {
          const came = await probe.submit('a', { parameters: [`item=${reference}`] })
          refused(came, [400, 3], { words: 'failed to resolve {{', what: reference })
        }
      }),
  },
  {
    id: 'ARGO-SUBMIT-9',
    title: 'A missing template is refused with 404, code 5, an unknown kind with 400, code 3.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const none = await probe.submit('a', {}, { resourceName: probe.name('none') })
        refused(none, [404, 5], {
          words: `"${probe.name('none')}" not found`,
          what: 'a template that is not there',
        })
        const kind = await probe.submit('a', {}, { resourceKind: 'workflowTemplate' })
        refused(kind, [400, 3], {
          words: "Resource kind 'workflowTemplate' is not supported for submitting",
          what: 'an odd kind',
        })
      }),
  },
  {
    id: 'ARGO-SUBMIT-10',
    title: 'Each kind is accepted by its name, its singular, its plural and its short name.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        for (const resourceKind of ['WorkflowTemplate', 'workflowtemplate', 'workflowtemplates', 'wftmpl']) {
          taken(await probe.submit('a', { dryRun: true }, { resourceKind }), `the kind ${resourceKind}`)
        }
      }),
  },
  {
    id: 'ARGO-SUBMIT-11',
    title:
      'A name of more than 63 characters, one that is no DNS name, and an invalid label are refused with 400, code 3.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const long = await probe.submit('a', { name: 'n'.repeat(64) })
        refused(long, [400, 3], {
          words: 'must not be more than 63 characters long (currently 64)',
          what: 'a long name',
        })
        for (const name of [probe.name('A'), `${probe.name('a')}-`, `${probe.name('a')}_b`]) {
          refused(await probe.submit('a', { name }), [400, 3], {
            words: 'metadata.name: Invalid value',
            what: `the name ${name}`,
          })
        }
        for (const value of ['a b', 'x'.repeat(64), '-a']) {
          const came = await probe.submit('a', { labels: `example.com/l=${value}` })
          refused(came, [400, 3], {
            words: 'metadata.labels: Invalid value',
            what: `the label value ${value}`,
          })
        }
      }),
  },
  {
    id: 'ARGO-SUBMIT-12',
    title: 'A dry run stores nothing: `dryRun` returns no uid, `serverDryRun` returns one.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const dry = taken(await probe.submit('a', { dryRun: true }), 'a dry run')
        same(metadataOf(dry)['uid'], undefined, 'the uid of a dry run')
        const server = taken(await probe.submit('a', { serverDryRun: true }), "the server's dry run")
        check(typeof metadataOf(server)['uid'] === 'string', "the server's dry run has a uid")
        same((await probe.get('a')).status, 404, 'the status of GET afterwards')
      }),
  },
  {
    id: 'ARGO-SUBMIT-13',
    title:
      'A field of a wrong type is refused with 400, code 3; unknown fields, and the body’s namespace, are ignored.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const wrong = await probe.submit('a', { labels: { a: 'b' } })
        refused(wrong, [400, 3], { words: 'cannot unmarshal', what: 'labels that are an object' })
        const odd = await probe.submit('a', { nosuch: 1 }, { namespace: 'elsewhere', nosuch: 1 })
        same(metadataOf(taken(odd, 'unknown fields'))['namespace'], target.namespace, 'the namespace')
      }),
  },
  {
    id: 'ARGO-SUBMIT-14',
    title:
      'Options are set in the spec: entrypoint, service account, priority, pod priority class; an unknown entrypoint is refused.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const options = { entryPoint: 'main', serviceAccount: 'sa', priority: 7, podPriorityClassName: 'low' }
        const spec = asObject(
          taken(await probe.submit('a', { ...options, dryRun: true }), 'a dry run')['spec'],
        )
        const { entrypoint, serviceAccountName, priority, podPriorityClassName } = spec
        same(
          [entrypoint, serviceAccountName, priority, podPriorityClassName],
          ['main', 'sa', 7, 'low'],
          'the spec',
        )
        const odd = await probe.submit('a', { entryPoint: 'nosuch' })
        const words = `template reference ${target.template}.nosuch not found`
        refused(odd, [400, 3], { words: words, what: 'an unknown entrypoint' })
      }),
  },
  {
    id: 'ARGO-SUBMIT-15',
    title: 'From a ClusterWorkflowTemplate the reference and the label have the cluster scope.',
    needs: (target) =>
      target.clusterTemplate === undefined ? 'no ClusterWorkflowTemplate given' : undefined,
    run: (target) =>
      Probe.use(target, async (probe) => {
        const resourceName = target.clusterTemplate ?? ''
        const request = { resourceKind: 'ClusterWorkflowTemplate', resourceName }
        const workflow = taken(await probe.submit('a', {}, request), 'the submit')
        const ref = { name: resourceName, clusterScope: true }
        same(asObject(workflow['spec'])['workflowTemplateRef'], ref, 'the reference')
        same(labelsOf(workflow)[argoLabel('cluster-workflow-template')], resourceName, 'the label')
      }),
  },
  {
    id: 'ARGO-SUBMIT-16',
    title: 'From a CronWorkflow the spec is copied, not referred to.',
    needs: (target) => (target.cronWorkflow === undefined ? 'no CronWorkflow given' : undefined),
    run: (target) =>
      Probe.use(target, async (probe) => {
        const resourceName = target.cronWorkflow ?? ''
        const request = { resourceKind: 'CronWorkflow', resourceName }
        const workflow = taken(await probe.submit('a', {}, request), 'the submit')
        same(asObject(workflow['spec'])['workflowTemplateRef'], undefined, 'the reference')
        same(labelsOf(workflow)[argoLabel('cron-workflow')], resourceName, 'the label')
      }),
  },
  {
    id: 'ARGO-SUBMIT-17',
    title: 'A submitted workflow is there for GET immediately, without a phase until its first reconcile.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const made = await probe.submitted('a')
        const got = taken(await probe.get('a'), 'GET')
        same(metadataOf(got)['uid'], metadataOf(made)['uid'], 'the uid')
        check(
          ['', 'Pending', 'Running', 'Succeeded'].includes(phaseOf(got)),
          'its phase is none that is wrong',
          phaseOf(got),
        )
      }),
  },
  {
    id: 'ARGO-SUBMIT-18',
    title: 'The server’s dry run is refused as the submit would be: 409 under a name that exists.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const first = await probe.submitted('a')
        const words = 'already exists, the server was not able to generate a unique name for the object'
        refused(await probe.submit('a', { serverDryRun: true }), [409, 6], {
          words: words,
          what: 'a dry run of the name',
        })
        same(metadataOf(taken(await probe.get('a'), 'GET'))['uid'], metadataOf(first)['uid'], 'the uid')
      }),
  },
]
