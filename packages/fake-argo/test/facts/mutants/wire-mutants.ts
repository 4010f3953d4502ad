import { answering, answeringBody, changed, misreading, type ArgoMutant } from './argo-mutant.ts'

export const wireMutants: readonly ArgoMutant[] = [
  {
    title: 'paths outside of the API are answered 404',
    breaks: { 'ARGO-WIRE-1': 'status and type of a GET' },
    ...answering('Page', (answer) => ({ ...answer, status: 404 })),
  },
  {
    title: 'unknown routes are answered 404',
    breaks: { 'ARGO-WIRE-2': 'an unknown route: the status and code of its refusal' },
    ...answering('Unknown', (answer) => ({ ...answer, status: 404 })),
  },
  {
    title: 'no version is told in a header',
    breaks: { 'ARGO-WIRE-3': 'the version' },
    ...answering('ListWorkflows', ({ status, body }) => ({
      status,
      body,
      headers: { 'content-type': 'application/json' },
    })),
  },
  {
    title: 'the limiter says `soon`',
    breaks: { 'ARGO-WIRE-3': 'x-ratelimit-reset is a date' },
    ...answering('ListWorkflows', (answer) => ({
      ...answer,
      headers: { ...answer.headers, 'x-ratelimit-reset': 'soon' },
    })),
  },
  {
    title: 'JSON is not written as Go does',
    breaks: { 'ARGO-WIRE-4': 'the value is escaped' },
    ...answeringBody('SubmitWorkflow', (body) => body),
  },
  {
    title: 'two slashes are one',
    breaks: { 'ARGO-WIRE-5': 'it is a redirect' },
    ...misreading('Unknown', (request) => ({
      ...request,
      path: request.path.replaceAll(/\/{2,}/g, '/'),
      operation: 'ListWorkflows',
    })),
  },
  {
    title: 'who has no token is let in',
    breaks: { 'ARGO-AUTH-1': 'a request without a token: the status and code of its refusal' },
    options: { serverMode: true },
  },
  {
    title: 'a header in other words is taken for a token that is unknown',
    breaks: { 'ARGO-AUTH-1': 'a garbled header is refused in the words token not valid' },
    ...misreading('ListWorkflows', (request) =>
      request.headers['authorization'] === 'token abc'
        ? { ...request, headers: { ...request.headers, authorization: 'Bearer abc' } }
        : request,
    ),
  },
  {
    title: 'unknown tokens are answered 403',
    breaks: { 'ARGO-AUTH-2': 'an unknown token: the status and code of its refusal' },
    ...answering('GetWorkflow', (answer) => (answer.status === 401 ? { ...answer, status: 403 } : answer)),
  },
  {
    title: 'info has no modals',
    breaks: { 'ARGO-INFO-1': 'info has modals' },
    ...answeringBody('GetInfo', () => ({})),
  },
  {
    title: 'a template is told without its arguments',
    breaks: { 'ARGO-INFO-2': 'its parameters' },
    ...answeringBody('GetWorkflowTemplate', (body) => changed(body, 'spec', { arguments: undefined })),
  },
  {
    title: 'a template that is not there is told empty',
    breaks: { 'ARGO-INFO-2': 'another one: the status and code of its refusal' },
    ...answering('GetWorkflowTemplate', (answer) =>
      answer.status === 404 ? { ...answer, status: 200, body: '{}' } : answer,
    ),
  },
]
