import { answerWithStatus } from '../../../src/index.ts'
import { misreading, misreadingQuery, type ArgoMutant } from './argo-mutant.ts'

export const logMutants: readonly ArgoMutant[] = [
  {
    title: 'nothing is written',
    breaks: { 'ARGO-LOG-1': 'the lines', 'ARGO-LOG-2': 'the frames' },
    options: { controller: { output: () => '' } },
  },
  {
    title: 'logs are no events, whatever is accepted',
    breaks: { 'ARGO-LOG-2': 'the type' },
    ...misreading('WorkflowLogs', (request) => ({ ...request, headers: { ...request.headers, accept: '' } })),
  },
  {
    title: 'logs are events, whatever is accepted',
    breaks: { 'ARGO-LOG-1': 'the type' },
    ...misreading('WorkflowLogs', (request) => ({
      ...request,
      headers: { ...request.headers, accept: 'text/event-stream' },
    })),
  },
  {
    title: 'the container is main unless it is named',
    breaks: { 'ARGO-LOG-3': 'the answer' },
    ...misreadingQuery('WorkflowLogs', () => ({ 'logOptions.container': 'main' })),
  },
  {
    title: 'there are no timestamps',
    breaks: { 'ARGO-LOG-4': 'what is behind the instants' },
    ...misreadingQuery('WorkflowLogs', () => ({ 'logOptions.timestamps': undefined })),
  },
  {
    title: 'tailLines is not known',
    breaks: { 'ARGO-LOG-5': 'the last line' },
    ...misreadingQuery('WorkflowLogs', () => ({ 'logOptions.tailLines': undefined })),
  },
  {
    title: 'follow is not known',
    breaks: { 'ARGO-LOG-6': 'the lines' },
    ...misreadingQuery('WorkflowLogs', () => ({ 'logOptions.follow': undefined })),
  },
  {
    title: 'a log outlives its pod',
    breaks: { 'ARGO-LOG-7': 'an empty log of main comes about' },
    ...misreading('CreateWorkflow', (request) => ({
      ...request,
      body: request.body.replace('OnPodCompletion', 'Never'),
    })),
  },
  {
    title: 'wait is silent',
    breaks: { 'ARGO-LOG-8': 'the log of wait has lines' },
    ...misreadingQuery('WorkflowLogs', () => ({ 'logOptions.container': 'nosuch' })),
  },
  {
    title: 'what is not there has an empty log',
    breaks: { 'ARGO-LOG-9': 'status and codes' },
    start:
      () =>
      ({ operation }) =>
        operation === 'WorkflowLogs' ? answerWithStatus(200, '') : undefined,
  },
]
