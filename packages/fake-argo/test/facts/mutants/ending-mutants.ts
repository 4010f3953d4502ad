import { answeringBody, changed, misreading, misreadingBody, within, type ArgoMutant } from './argo-mutant.ts'

export const endingMutants: readonly ArgoMutant[] = [
  {
    title: 'an end leaves no trace of who wanted it',
    breaks: { 'ARGO-END-1': 'spec.shutdown' },
    ...answeringBody('GetWorkflow', (body) => changed(body, 'spec', { shutdown: undefined })),
  },
  {
    title: 'locks are given to everybody',
    breaks: { 'ARGO-LOCK-1': 'phase Pending' },
    ...misreadingBody('CreateWorkflow', (body) => {
      const workflow = within(body, 'workflow')
      return changed(body, 'workflow', { spec: { ...within(workflow, 'spec'), synchronization: {} } })
    }),
  },
  {
    title: 'what waits for a lock has started',
    breaks: { 'ARGO-LOCK-1': 'its start and its nodes' },
    ...answeringBody('GetWorkflow', (body) => changed(body, 'status', { startedAt: '2026-01-01T00:00:00Z' })),
  },
  {
    title: 'stop ends what waits for a lock',
    breaks: { 'ARGO-LOCK-2': 'its phase as long as another has the lock' },
    ...misreading('StopWorkflow', (request) => ({ ...request, operation: 'TerminateWorkflow' })),
  },
  {
    title: 'what is terminated as it waits for a lock succeeds',
    breaks: { 'ARGO-LOCK-3': 'its phase at the end' },
    options: { rules: { terminatedWaiterSucceeds: true } },
  },
]
