import {
  answering,
  answeringBody,
  changed,
  misreadingQuery,
  permitting,
  refusing,
  relabelled,
  within,
  type ArgoMutant,
} from './argo-mutant.ts'

const PERSISTED = '"workflows.argoproj.io/workflow-archiving-status":"Persisted"'

export const phaseMutants: readonly ArgoMutant[] = [
  {
    title: 'labels have no phase',
    breaks: { 'ARGO-PHASE-1': 'labels of a running one', 'ARGO-PHASE-2': 'its label' },
    ...answeringBody('GetWorkflow', (body) => relabelled(body, { 'workflows.argoproj.io/phase': undefined })),
  },
  {
    title: 'a running workflow has an end',
    breaks: { 'ARGO-PHASE-1': 'the end of a running one' },
    ...answeringBody('GetWorkflow', (body) =>
      changed(body, 'status', { finishedAt: '2026-01-01T00:00:00Z' }),
    ),
  },
  {
    title: 'exit codes are numbers',
    breaks: { 'ARGO-PHASE-2': 'phase and exit code of its node' },
    ...answering('GetWorkflow', (answer) => ({
      ...answer,
      body: answer.body.replace('"exitCode":"1"', '"exitCode":1'),
    })),
  },
  {
    title: 'the resourceVersion never changes',
    breaks: { 'ARGO-PHASE-3': 'another resourceVersion' },
    ...answeringBody(['GetWorkflow', 'SubmitWorkflow'], (body) =>
      changed(body, 'metadata', { resourceVersion: '1' }),
    ),
  },
  {
    title: 'each step has a uid of its own',
    breaks: { 'ARGO-PHASE-3': 'the uid' },
    ...answeringBody('GetWorkflow', (body) =>
      changed(body, 'metadata', { uid: `uid-of-${String(within(body, 'metadata')['resourceVersion'])}` }),
    ),
  },
  {
    title: 'GET of nothing is the server’s mistake: 500',
    breaks: { 'ARGO-GET-1': 'GET: the status and code of its refusal' },
    ...refusing('GetWorkflow', 'not found', [500, 13]),
  },
  {
    title: 'GET shows all whatever `fields` says',
    breaks: { 'ARGO-GET-2': 'the other metadata' },
    ...misreadingQuery('GetWorkflow', () => ({ fields: undefined })),
  },
  {
    title: 'a second DELETE is answered as the first',
    breaks: { 'ARGO-DELETE-1': 'the status of a second DELETE' },
    ...permitting('DeleteWorkflow', 'not found'),
  },
  {
    title: 'what is deleted is given back',
    breaks: { 'ARGO-DELETE-1': 'the answer' },
    ...answeringBody('DeleteWorkflow', () => ({ metadata: {} })),
  },
  {
    title: 'the list of no archive is empty in other words',
    breaks: { 'ARGO-ARCHIVE-1': 'the list' },
    ...answeringBody('ListArchivedWorkflows', (body) => ({ ...body, items: [] })),
  },
  {
    title: 'GET does not look into the archive',
    breaks: { 'ARGO-ARCHIVE-2': 'GET out of the archive' },
    options: { archive: true },
    ...answering('GetWorkflow', (answer) =>
      answer.body.includes(PERSISTED)
        ? { ...answer, status: 404, body: '{"code":5,"message":"not found"}' }
        : answer,
    ),
  },
  {
    title: 'what is archived never says so',
    breaks: { 'ARGO-ARCHIVE-2': 'the label Archived' },
    options: { archive: true, controller: { archiveOverlapMs: 600_000 } },
  },
]
