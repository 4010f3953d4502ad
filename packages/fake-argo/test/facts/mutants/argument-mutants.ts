import {
  answering,
  answeringBody,
  changed,
  misreadingBody,
  permitting,
  refusing,
  within,
  type ArgoMutant,
} from './argo-mutant.ts'

/** A submit's parameters as this server reads them. */
function withParameters(change: (parameters: string[]) => string[]): Pick<ArgoMutant, 'start'> {
  return misreadingBody('SubmitWorkflow', (body) => {
    const given = within(body, 'submitOptions')['parameters']
    const parameters = Array.isArray(given) ? change(given.map(String)) : given
    return changed(body, 'submitOptions', { parameters })
  })
}

function firstOfEach(parameters: string[]): string[] {
  const names = parameters.map((one) => one.split('=', 1)[0])
  return parameters.filter((_, index) => names.indexOf(names[index]) === index)
}

export const argumentMutants: readonly ArgoMutant[] = [
  {
    title: 'a parameter that is given twice is refused',
    breaks: { 'ARGO-ARGUMENT-1': 'a parameter given twice is answered 200' },
    ...answering('SubmitWorkflow', (answer, { body }) =>
      body.includes('"item=2"')
        ? { ...answer, status: 400, body: '{"code":3,"message":"is not unique"}' }
        : answer,
    ),
  },
  {
    title: 'of a parameter that is given twice one is kept',
    breaks: {
      'ARGO-ARGUMENT-1': 'the arguments',
      'ARGO-ARGUMENT-2': 'it: the status and code of its refusal',
    },
    ...withParameters(firstOfEach),
  },
  {
    title: 'control characters are left out of values',
    breaks: { 'ARGO-ARGUMENT-3': 'U+1: the status and code of its refusal' },
    // oxlint-disable-next-line no-control-regex -- they are what it leaves out
    ...withParameters((all) => all.map((one) => one.replaceAll(/[\u0000-\u001f]/g, ''))),
  },
  {
    title: 'what Go can’t print is printed',
    breaks: { 'ARGO-ARGUMENT-3': 'U+e0067: the status and code of its refusal' },
    ...withParameters((all) => all.map((one) => one.replaceAll('\u{e0067}', ''))),
  },
  {
    title: 'a byte order mark is no part of a value',
    breaks: { 'ARGO-ARGUMENT-3': 'the value' },
    ...withParameters((all) => all.map((one) => one.replaceAll('\ufeff', ''))),
  },
  {
    title: 'empty arguments are left out',
    breaks: { 'ARGO-ARGUMENT-4': 'the arguments' },
    ...answeringBody('CreateWorkflow', (body) => changed(body, 'spec', { arguments: undefined })),
  },
  {
    title: 'an empty status is left out',
    breaks: { 'ARGO-ARGUMENT-4': 'the status' },
    ...answeringBody('CreateWorkflow', (body) => ({ ...body, status: undefined })),
  },
  {
    title: 'what a policy denies is a missing permission: 403',
    breaks: { 'ARGO-ADMISSION-1': 'a submit: the status and code of its refusal' },
    ...refusing('SubmitWorkflow', 'denied request', [403, 7]),
  },
  {
    title: 'policies are not asked about what is created',
    breaks: { 'ARGO-ADMISSION-1': 'a create: the status and code of its refusal' },
    ...permitting('CreateWorkflow', 'denied request'),
  },
  {
    title: 'a dry run of the server asks no policy',
    breaks: { 'ARGO-ADMISSION-2': 'a dry run of the server: the status and code of its refusal' },
    ...misreadingBody('SubmitWorkflow', (body) =>
      within(body, 'submitOptions')['serverDryRun'] === true
        ? changed(body, 'submitOptions', { serverDryRun: false, dryRun: true })
        : body,
    ),
  },
]
