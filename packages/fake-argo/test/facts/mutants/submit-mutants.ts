import type { ArgoRequest } from '../../../src/index.ts'
import {
  answering,
  answeringBody,
  changed,
  misreadingBody,
  refusing,
  relabelled,
  withBody,
  within,
  type ArgoMutant,
} from './argo-mutant.ts'

/** The same request, each of its parameters changed. */
function withParameters(change: (parameter: string) => string): Pick<ArgoMutant, 'start'> {
  return misreadingBody('SubmitWorkflow', (body) => {
    const given = within(body, 'submitOptions')['parameters']
    const parameters = Array.isArray(given) ? given.map((one) => change(String(one))) : given
    return changed(body, 'submitOptions', { parameters })
  })
}

/** The same submit under another name. */
function renamed(request: ArgoRequest): ArgoRequest {
  return withBody(request, (body) => changed(body, 'submitOptions', { name: `${request.name}-again` }))
}

export const submitMutants: readonly ArgoMutant[] = [
  {
    title: 'a submitted workflow has a kind',
    breaks: { 'ARGO-SUBMIT-1': 'kind and apiVersion' },
    ...answeringBody('SubmitWorkflow', (body) => ({ kind: 'Workflow', ...body })),
  },
  {
    title: 'a submitted workflow is Pending at once',
    breaks: { 'ARGO-SUBMIT-1': 'its status' },
    ...answeringBody('SubmitWorkflow', (body) => changed(body, 'status', { phase: 'Pending' })),
  },
  {
    title: 'a submitted workflow has nothing stored of its template',
    breaks: { 'ARGO-SUBMIT-1': 'the template in its status' },
    ...answeringBody('SubmitWorkflow', (body) => changed(body, 'status', { storedTemplates: undefined })),
  },
  {
    title: 'a submit under a name that exists is given another name',
    breaks: { 'ARGO-SUBMIT-2': 'a second submit of the name: the status and code of its refusal' },
    start: () => {
      const taken = new Set<string>()
      return ({ operation, name }) => {
        const again = operation === 'SubmitWorkflow' && taken.has(name)
        taken.add(name)
        return again ? { do: 'rewrite', request: renamed } : undefined
      }
    },
  },
  {
    title: 'the labels of the server win over those of a submit',
    breaks: { 'ARGO-SUBMIT-3': 'the creator' },
    ...answeringBody('SubmitWorkflow', (body) =>
      relabelled(body, { 'workflows.argoproj.io/creator': 'the-server' }),
    ),
  },
  {
    title: 'what the submit can’t split is the caller’s mistake: 400',
    breaks: {
      'ARGO-SUBMIT-4': 'labels k: the status and code of its refusal',
      'ARGO-SUBMIT-6': 'such a parameter: the status and code of its refusal',
    },
    ...refusing('SubmitWorkflow', 'of the form', [400, 3]),
  },
  {
    title: 'a parameter ends at its second `=`',
    breaks: { 'ARGO-SUBMIT-5': 'the arguments' },
    ...withParameters((parameter) => parameter.split('=').slice(0, 2).join('=')),
  },
  {
    title: 'an empty parameter is left out',
    breaks: { 'ARGO-SUBMIT-5': 'the arguments' },
    ...answeringBody('SubmitWorkflow', (body) => {
      const spec = within(body, 'spec')
      const given = within(spec, 'arguments')['parameters']
      const parameters = Array.isArray(given)
        ? given.filter((one) => within({ one }, 'one')['value'] !== '')
        : given
      return changed(body, 'spec', { arguments: { parameters } })
    }),
  },
  {
    title: 'enums are not looked at',
    breaks: { 'ARGO-SUBMIT-7': 'a value outside the enum: the status and code of its refusal' },
    ...withParameters((parameter) => (parameter === 'mode=odd' ? 'mode=succeed' : parameter)),
  },
  {
    title: 'what is required may be missing',
    breaks: { 'ARGO-SUBMIT-7': 'none: the status and code of its refusal' },
    ...refusing('SubmitWorkflow', 'is required', [500, 13]),
  },
  {
    title: 'values are no templates',
    breaks: { 'ARGO-SUBMIT-8': '{{inputs.x}}: the status and code of its refusal' },
    ...withParameters((parameter) => parameter.replaceAll('{{', '{ {')),
  },
  {
    title: 'a template that is not there is the caller’s mistake: 400',
    breaks: { 'ARGO-SUBMIT-9': 'a template that is not there: the status and code of its refusal' },
    ...refusing('SubmitWorkflow', 'not found', [400, 3]),
  },
  {
    title: 'the case of a kind does not matter',
    breaks: { 'ARGO-SUBMIT-9': 'an odd kind: the status and code of its refusal' },
    ...misreadingBody('SubmitWorkflow', (body) => ({
      ...body,
      resourceKind: String(body['resourceKind']).toLowerCase(),
    })),
  },
  {
    title: 'kinds have no short names',
    breaks: { 'ARGO-SUBMIT-10': 'the kind wftmpl is answered 200' },
    ...misreadingBody('SubmitWorkflow', (body) => ({
      ...body,
      resourceKind: body['resourceKind'] === 'wftmpl' ? 'none' : body['resourceKind'],
    })),
  },
  {
    title: 'a name that is too long is cut',
    breaks: { 'ARGO-SUBMIT-11': 'a long name: the status and code of its refusal' },
    ...misreadingBody('SubmitWorkflow', (body) =>
      changed(body, 'submitOptions', { name: String(within(body, 'submitOptions')['name']).slice(0, 63) }),
    ),
  },
  {
    title: 'label values may be anything',
    breaks: { 'ARGO-SUBMIT-11': 'the label value a b: the status and code of its refusal' },
    ...misreadingBody('SubmitWorkflow', (body) =>
      changed(body, 'submitOptions', {
        labels: String(within(body, 'submitOptions')['labels']).replace('=a b', '=a'),
      }),
    ),
  },
  {
    title: 'a dry run stores the workflow',
    breaks: { 'ARGO-SUBMIT-12': 'the uid of a dry run' },
    ...misreadingBody('SubmitWorkflow', (body) =>
      changed(body, 'submitOptions', { dryRun: false, serverDryRun: false }),
    ),
  },
  {
    title: 'unknown fields are refused',
    breaks: { 'ARGO-SUBMIT-13': 'unknown fields is answered 200' },
    ...answering('SubmitWorkflow', (answer, { body }) =>
      body.includes('nosuch') ? { ...answer, status: 400, body: '{"code":3,"message":"unknown"}' } : answer,
    ),
  },
  {
    title: 'the priority is forgotten',
    breaks: { 'ARGO-SUBMIT-14': 'the spec' },
    ...misreadingBody('SubmitWorkflow', (body) => changed(body, 'submitOptions', { priority: undefined })),
  },
  {
    title: 'a ClusterWorkflowTemplate is referred to as if it were of the namespace',
    breaks: { 'ARGO-SUBMIT-15': 'the reference' },
    ...answeringBody('SubmitWorkflow', (body) => {
      const { name } = within(within(body, 'spec'), 'workflowTemplateRef')
      return changed(body, 'spec', { workflowTemplateRef: { name } })
    }),
  },
  {
    title: 'a CronWorkflow is referred to',
    breaks: { 'ARGO-SUBMIT-16': 'the reference' },
    ...answeringBody('SubmitWorkflow', (body) =>
      changed(body, 'spec', { workflowTemplateRef: { name: 'test-cron-workflow' } }),
    ),
  },
  {
    title: 'GET does not know yet what was just submitted',
    breaks: { 'ARGO-SUBMIT-17': 'GET is answered 200' },
    ...answering('GetWorkflow', (answer) =>
      answer.body.includes('"phase"')
        ? answer
        : { ...answer, status: 404, body: '{"code":5,"message":"not found"}' },
    ),
  },
  {
    title: 'a dry run of the server does not look whether the name is free',
    breaks: { 'ARGO-SUBMIT-18': 'a dry run of the name: the status and code of its refusal' },
    ...misreadingBody('SubmitWorkflow', (body) => {
      const options = within(body, 'submitOptions')
      return options['serverDryRun'] === true
        ? changed(body, 'submitOptions', { name: `${String(options['name'])}-x` })
        : body
    }),
  },
]
