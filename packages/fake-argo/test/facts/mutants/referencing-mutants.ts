import { answeringBody, changed, type ArgoMutant } from './argo-mutant.ts'

const STRICT = { templateReferencing: { mode: 'Strict' } } as const

export const referencingMutants: readonly ArgoMutant[] = [
  {
    title: 'templateReferencing is not looked at',
    breaks: { 'ARGO-REFERENCING-1': 'ServiceAccountName: its end', 'ARGO-REFERENCING-3': 'its phase' },
    target: { templateReferencing: 'Strict' },
    options: {},
  },
  {
    title: 'the fields beside a reference are not looked at',
    breaks: { 'ARGO-REFERENCING-1': 'ServiceAccountName: its end' },
    target: { templateReferencing: 'Strict' },
    options: { controller: STRICT, rules: { restrictsOverrides: false } },
  },
  {
    title: 'an exit handler is on the list',
    breaks: { 'ARGO-REFERENCING-1': 'OnExit: its end' },
    target: { templateReferencing: 'Strict' },
    options: { controller: { templateReferencing: { mode: 'Strict', allowlist: ['onExit'] } } },
  },
  {
    title: 'an entrypoint is more than a workflow may set',
    breaks: { 'ARGO-REFERENCING-2': 'its end' },
    target: { templateReferencing: 'Strict' },
    options: { controller: STRICT },
    ...answeringBody('GetWorkflow', (body) => changed(body, 'status', { phase: 'Error' })),
  },
]
