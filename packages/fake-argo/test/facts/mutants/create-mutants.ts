import {
  answering,
  answeringBody,
  changed,
  misreadingBody,
  refusing,
  relabelled,
  within,
  type ArgoMutant,
} from './argo-mutant.ts'

export const createMutants: readonly ArgoMutant[] = [
  {
    title: 'values of parameters stay numbers',
    breaks: { 'ARGO-CREATE-1': 'the first argument' },
    ...answering('CreateWorkflow', (answer) => ({ ...answer, body: answer.body.replace('"42"', '42') })),
  },
  {
    title: 'a created workflow has the label of its template',
    breaks: { 'ARGO-CREATE-1': 'the label of the template' },
    ...answeringBody('CreateWorkflow', (body) =>
      relabelled(body, { 'workflows.argoproj.io/workflow-template': 'test-workflow-template' }),
    ),
  },
  {
    title: 'a name that exists is always said in the words for a generated one',
    breaks: { 'ARGO-CREATE-2': 'a second create' },
    ...answering('CreateWorkflow', (answer) =>
      answer.status === 409
        ? { ...answer, body: answer.body.replace(/exists"/, 'exists, the server was not able to"') }
        : answer,
    ),
  },
  {
    title: 'a template that is not in the namespace is the caller’s mistake: 400',
    breaks: { 'ARGO-CREATE-3': 'another namespace: the status and code of its refusal' },
    ...refusing('CreateWorkflow', 'not found', [400, 3]),
  },
  {
    title: 'a create without a workflow is the server’s mistake: 500',
    breaks: { 'ARGO-CREATE-3': 'an empty body: the status and code of its refusal' },
    ...refusing('CreateWorkflow', 'not specified', [500, 13]),
  },
  {
    title: 'the namespace of a workflow is not looked at',
    breaks: { 'ARGO-CREATE-3': 'another namespace: the status and code of its refusal' },
    ...misreadingBody('CreateWorkflow', (body) =>
      body['workflow'] === undefined
        ? body
        : changed(body, 'workflow', {
            metadata: { ...within(within(body, 'workflow'), 'metadata'), namespace: undefined },
          }),
    ),
  },
  {
    title: 'templates besides a reference are left out',
    breaks: { 'ARGO-CREATE-4': 'such a workflow: the status and code of its refusal' },
    ...misreadingBody('CreateWorkflow', (body) =>
      changed(body, 'workflow', {
        spec: { ...within(within(body, 'workflow'), 'spec'), templates: undefined },
      }),
    ),
  },
  {
    title: 'a generated name ends with digits',
    breaks: { 'ARGO-CREATE-5': 'the name is made of facts-create-5-g-' },
    ...misreadingBody('CreateWorkflow', (body) => {
      const metadata = within(within(body, 'workflow'), 'metadata')
      const name = metadata['name'] ?? `${String(metadata['generateName'])}00001`
      return changed(body, 'workflow', { metadata: { ...metadata, name } })
    }),
  },
  {
    title: 'the labels of a create win over those of the server',
    breaks: { 'ARGO-CREATE-6': 'the creator is the one given' },
    ...answering('CreateWorkflow', (answer, { body }) =>
      body.includes('another')
        ? { ...answer, body: answer.body.replace(/(creator":")[^"]+/, '$1another') }
        : answer,
    ),
  },
  {
    title: 'a dry run of a create stores the workflow',
    breaks: { 'ARGO-CREATE-7': 'the uid' },
    ...misreadingBody('CreateWorkflow', (body) => ({ ...body, createOptions: undefined })),
  },
  {
    title: 'a dry run of the server is stored',
    breaks: { 'ARGO-CREATE-8': 'the status of GET afterwards' },
    ...misreadingBody('CreateWorkflow', (body) => ({ ...body, serverDryRun: false })),
  },
  {
    title: 'a dry run of the server has no uid',
    breaks: { 'ARGO-CREATE-8': 'it has a uid' },
    ...misreadingBody('CreateWorkflow', (body) =>
      body['serverDryRun'] === true ? { ...body, createOptions: { dryRun: ['All'] } } : body,
    ),
  },
]
