import {
  answeringBody,
  changed,
  misreading,
  permitting,
  refusing,
  relabelled,
  type ArgoMutant,
} from './argo-mutant.ts'

export const actionMutants: readonly ArgoMutant[] = [
  {
    title: 'what is over can be terminated',
    breaks: { 'ARGO-ACT-1': 'again: the status and code of its refusal' },
    ...permitting('TerminateWorkflow', 'completed workflow'),
  },
  {
    title: 'terminate does as stop',
    breaks: { 'ARGO-ACT-1': 'its message' },
    ...misreading('TerminateWorkflow', (request) => ({ ...request, operation: 'StopWorkflow' })),
  },
  {
    title: 'stop does nothing',
    breaks: { 'ARGO-ACT-2': 'phase Failed or Error' },
    ...misreading('StopWorkflow', (request) => ({ ...request, operation: 'GetWorkflow' })),
  },
  {
    title: 'stop does as terminate',
    breaks: { 'ARGO-ACT-2': 'its message' },
    ...misreading('StopWorkflow', (request) => ({ ...request, operation: 'TerminateWorkflow' })),
  },
  {
    title: 'a retry has another uid',
    breaks: { 'ARGO-ACT-3': 'uid and phase' },
    ...answeringBody('RetryWorkflow', (body) => changed(body, 'metadata', { uid: 'another' })),
  },
  {
    title: 'a retry takes the label of the phase away at once',
    breaks: { 'ARGO-ACT-3': 'its label of the phase' },
    ...answeringBody('RetryWorkflow', (body) =>
      relabelled(body, { 'workflows.argoproj.io/phase': undefined }),
    ),
  },
  {
    title: 'what runs can be retried',
    breaks: { 'ARGO-ACT-4': 'a running one: the status and code of its refusal' },
    ...permitting('RetryWorkflow', 'in phase Running'),
  },
  {
    title: 'what succeeded can be retried',
    breaks: { 'ARGO-ACT-4': 'a succeeded one: the status and code of its refusal' },
    ...permitting('RetryWorkflow', 'retry a succeeded'),
  },
  {
    title: 'a copy does not say what it is a copy of',
    breaks: { 'ARGO-ACT-5': 'where it comes from' },
    ...answeringBody('ResubmitWorkflow', (body) =>
      relabelled(body, { 'workflows.argoproj.io/resubmitted-from-workflow': undefined }),
    ),
  },
  {
    title: 'a copy lacks the labels of its user',
    breaks: { 'ARGO-ACT-5': 'a label that its user gave' },
    ...answeringBody('ResubmitWorkflow', (body) => relabelled(body, { 'example.com/fact': undefined })),
  },
  {
    title: 'nothing can be resumed',
    breaks: { 'ARGO-ACT-6': 'resume: the status and code of its refusal' },
    ...permitting('ResumeWorkflow', 'not found'),
  },
  {
    title: 'what is over can be suspended',
    breaks: { 'ARGO-ACT-7': 'suspend: the status and code of its refusal' },
    ...permitting('SuspendWorkflow', 'completed workflows'),
  },
  {
    title: 'set without a step is the caller’s mistake: 400',
    breaks: { 'ARGO-ACT-8': 'set: the status and code of its refusal' },
    ...refusing('SetWorkflow', 'node field selector', [400, 3]),
  },
]
