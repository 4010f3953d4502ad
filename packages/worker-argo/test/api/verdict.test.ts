import { describe, expect, test } from 'vitest'
import { argoFailure } from '../../src/api/argo-errors.js'
import { readAnswer, silence } from '../../src/api/reply.js'
import { judgeAction, judgeRead, judgeSend, type Verdict } from '../../src/api/verdict.js'

const NOW = Date.parse('2026-11-24T10:00:00Z')

function answer(status: number, body: unknown, headers: Record<string, string> = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return readAnswer(new Response(null, { status, headers }), text, NOW)
}

function error(status: number, code: number, message: string) {
  return answer(status, { code, message })
}

const POST = 'Post "https://10.96.0.1:443/apis/argoproj.io/v1alpha1/namespaces/argo/workflows":'

/** Each row of the server's table of errors, in the words of the server. */
const SENDS: readonly (readonly [string, number, number, string, Verdict['kind']])[] = [
  [
    'the name exists, submitted',
    409,
    6,
    'workflows.argoproj.io "n" already exists, the server was not able to generate a unique name for the object',
    'unknown',
  ],
  ['the name exists, created', 409, 6, 'workflows.argoproj.io "n" already exists', 'unknown'],
  [
    'the name exists, old Kubernetes',
    500,
    13,
    'The POST operation against Workflow.argoproj.io could not be completed at this time, please try again.',
    'unknown',
  ],
  [
    'the name may exist',
    504,
    4,
    'create request failed due to timeout, but it\'s possible that workflow "n" already exists. Original error: x',
    'unknown',
  ],
  [
    'a quota’s conflict',
    409,
    6,
    'Operation cannot be fulfilled on resourcequotas "q": the object has been modified; please apply your changes',
    'unknown',
  ],
  [
    'the quota is used up',
    403,
    7,
    'workflows.argoproj.io "n" is forbidden: exceeded quota: q, requested: 1',
    'unavailable',
  ],
  [
    'RBAC',
    403,
    7,
    'workflows.argoproj.io is forbidden: User "x" cannot create resource "workflows"',
    'denied',
  ],
  [
    'a kube-apiserver that has just started',
    403,
    7,
    'selfsubjectaccessreviews.authorization.k8s.io is forbidden: User "x" cannot create resource "selfsubjectaccessreviews"',
    'unavailable',
  ],
  ['an admission policy', 403, 7, 'admission webhook "p" denied the request: no', 'refused'],
  [
    'no token',
    401,
    16,
    'token not valid. see https://argo-workflows.readthedocs.io/en/latest/faq/',
    'denied',
  ],
  ['a rejected token', 401, 16, 'Unauthorized', 'denied'],
  ['an unknown template', 404, 5, 'workflowtemplates.argoproj.io "x" not found', 'unavailable'],
  ['an unknown namespace', 404, 5, 'namespaces "nope" not found', 'namespace-missing'],
  [
    'a parameter without value',
    400,
    3,
    'spec.arguments.item.value or spec.arguments.item.valueFrom is required',
    'rejected',
  ],
  [
    'a value outside of its enum',
    400,
    3,
    'spec.arguments.mode.value should be present in spec.arguments.mode.enum list',
    'rejected',
  ],
  ['no entrypoint', 400, 3, 'spec.entrypoint is required', 'rejected'],
  [
    'a reference that can’t be resolved',
    400,
    3,
    'templates.main: failed to resolve {{inputs.parameters.x}}',
    'rejected',
  ],
  [
    'a label that is none',
    400,
    3,
    'Workflow.argoproj.io "n" is invalid: metadata.labels: Invalid value: "a b": a valid label must',
    'rejected',
  ],
  [
    'a name that is too long',
    400,
    3,
    'workflow name "n" must not be more than 63 characters long (currently 70)',
    'rejected',
  ],
  ['a parameter given twice', 400, 3, "spec.arguments.parameters[1].name 'x' is not unique", 'rejected'],
  ['an unknown kind', 400, 3, "Resource kind 'X' is not supported for submitting", 'rejected'],
  [
    'labels that can’t be split',
    500,
    13,
    'expected labels of the form: NAME1=VALUE2,NAME2=VALUE2. Received: a',
    'rejected',
  ],
  [
    'annotations that can’t be split',
    500,
    13,
    'expected Annotations of the form: NAME1=VALUE2,NAME2=VALUE2. Received: a',
    'rejected',
  ],
  [
    'a parameter that can’t be split',
    500,
    13,
    'expected parameter of the form: NAME=VALUE. Received: a',
    'rejected',
  ],
  ['no workflow', 400, 3, 'workflow body not specified', 'rejected'],
  [
    'another namespace',
    400,
    3,
    'the namespace of the provided object does not match the namespace sent on the request',
    'rejected',
  ],
  [
    'too large for gRPC',
    429,
    8,
    'grpc: received message larger than max (104857700 vs. 104857600)',
    'rejected',
  ],
  ['too large for kube-apiserver', 400, 3, 'Request entity too large: limit is 3145728', 'rejected'],
  ['too large for etcd', 500, 13, 'etcdserver: request is too large', 'rejected'],
  [
    'kube-apiserver throttles',
    429,
    8,
    'the server has received too many requests and has asked us to try again later',
    'unknown',
  ],
  [
    'the gRPC limiter',
    429,
    8,
    '/workflow.WorkflowService/SubmitWorkflow is rejected by grpc_ratelimit middleware, please retry later.',
    'unknown',
  ],
  [
    'kube-apiserver refuses, submitted',
    400,
    3,
    `${POST} dial tcp 10.96.0.1:443: connect: connection refused`,
    'unknown',
  ],
  ['kube-apiserver is slow, submitted', 400, 3, `${POST} net/http: TLS handshake timeout`, 'unknown'],
  ['kube-apiserver hangs up, submitted', 400, 3, `${POST} EOF`, 'unknown'],
  [
    'the client’s own limiter, submitted',
    400,
    3,
    'client rate limiter Wait returned an error: context deadline exceeded',
    'unknown',
  ],
  [
    'kube-apiserver refuses as a template is resolved, submitted',
    400,
    3,
    `templates.main.steps[0].a: ${POST} dial tcp 10.96.0.1:443: connect: connection refused`,
    'unknown',
  ],
  ['a 400 in unknown words', 400, 3, 'the flux capacitor is empty', 'unknown'],
  [
    'kube-apiserver refuses, created',
    500,
    13,
    `${POST} dial tcp 10.96.0.1:443: connect: connection refused`,
    'unknown',
  ],
  ['a panic', 500, 13, 'runtime error: invalid memory address or nil pointer dereference', 'unknown'],
  ['unavailable', 503, 14, 'the server is currently unable to handle the request', 'unknown'],
  ['a deadline', 504, 4, 'context deadline exceeded', 'unknown'],
  ['cancelled', 408, 1, 'context canceled', 'unknown'],
  ['not implemented', 501, 12, 'Not Implemented', 'misdirected'],
]

describe('what an answer to a send means', () => {
  test.each(SENDS)('%s (%i)', (_, status, code, message, kind) => {
    const verdict = judgeSend(error(status, code, message))
    expect(verdict.kind).toBe(kind)
    expect(verdict).toHaveProperty('why', `${status} ${message}`)
  })

  test('a lost connection leaves open what became of it; one that never was doesn’t', () => {
    const reset = Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
    expect(judgeSend(silence(new Error('failed', { cause: reset })))).toMatchObject({
      kind: 'unknown',
      why: 'no answer (ECONNRESET)',
    })
    expect(
      judgeSend(silence(Object.assign(new Error('x'), { code: 'UND_ERR_HEADERS_TIMEOUT' }))),
    ).toMatchObject({
      kind: 'unknown',
      why: 'no answer (none in time)',
    })
    const refused = Object.assign(new Error('x'), { code: 'ECONNREFUSED' })
    expect(judgeSend(silence(new TypeError('fetch failed', { cause: refused })))).toMatchObject({
      kind: 'unavailable',
    })
  })

  test('the limiter’s plain 429 says how long to wait, by a date or in seconds', () => {
    const headers = {
      'content-type': 'text/plain',
      date: 'Tue, 24 Nov 2026 09:00:00 GMT',
      'retry-after': 'Tue, 24 Nov 2026 09:00:07 GMT',
    }
    expect(judgeSend(answer(429, 'Too Many Requests\n', headers))).toEqual({
      kind: 'unavailable',
      why: '429 Too Many Requests',
      concerns: 'capacity',
      retryAfterMs: 8_000,
    })
    expect(judgeSend(answer(429, 'x', { 'retry-after': '3' }))).toMatchObject({ retryAfterMs: 3_000 })
    expect(judgeSend(answer(429, 'x', { 'retry-after': 'Tue, 24 Nov 2026 10:00:02 GMT' }))).toMatchObject({
      retryAfterMs: 3_000,
    })
    expect(judgeSend(answer(429, 'x', { 'retry-after': 'soon' }))).toEqual({
      kind: 'unavailable',
      why: '429 x',
      concerns: 'capacity',
    })
  })

  test.each<[string, number, string, Record<string, string>, Verdict['kind']]>([
    ['the UI’s page, 200', 200, '<!doctype html><html></html>', { 'content-type': 'text/html' }, 'unknown'],
    ['an empty 200', 200, '', {}, 'unknown'],
    ['JSON that was cut off', 200, '{"metadata":{"na', { 'content-type': 'application/json' }, 'unknown'],
    ['a proxy’s 502', 502, '<html>Bad Gateway</html>', { 'content-type': 'text/html' }, 'unknown'],
    ['a proxy’s 504', 504, 'upstream timed out', {}, 'unknown'],
    ['a proxy’s 404', 404, '<html>Not Found</html>', { 'content-type': 'text/html' }, 'unknown'],
    ['a proxy’s 400', 400, '<html>Bad Request</html>', { 'content-type': 'text/html' }, 'unknown'],
    ['a proxy’s 403', 403, '<html>Forbidden</html>', { 'content-type': 'text/html' }, 'unknown'],
    ['a proxy’s 413', 413, '<html>Too Large</html>', { 'content-type': 'text/html' }, 'rejected'],
    ['a redirect to a login', 302, '', { location: 'https://login.example.org/?x=y' }, 'unknown'],
  ])('%s', (_, status, body, headers, kind) => {
    expect(judgeSend(answer(status, body, headers)).kind).toBe(kind)
  })

  test.each<[number, string, string, string]>([
    [200, '<!doctype html><html></html>', 'text/html', '200 with a web page'],
    [502, '<html>Bad Gateway</html>', 'text/html', '502 with a web page'],
    [200, '', 'text/plain', '200, no JSON'],
    [200, 'hello', 'text/plain', '200 hello, no JSON'],
  ])('%i %j is told in one clause', (status, body, type, why) => {
    const foreign = answer(status, body, { 'content-type': type })
    expect(judgeSend(foreign)).toHaveProperty('why', why)
    expect(judgeRead(foreign)).toHaveProperty('why', why)
  })

  test.each(['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'])(
    'no TLS where it was expected (%s): nothing was sent, and the message says what to try',
    (code) => {
      const reply = silence(Object.assign(new Error('x'), { code }), 'https://argo.example.org')
      expect(judgeSend(reply)).toEqual({
        kind: 'unavailable',
        concerns: 'worker',
        why: `no answer (${code} at https://argo.example.org: no TLS is spoken there; perhaps baseUrl should begin with http://)`,
      })
    },
  )

  test('a redirect says where it leads, without what it carries', () => {
    const verdict = judgeSend(answer(302, '', { location: 'https://login.example.org/?state=secret' }))
    expect(verdict).toMatchObject({ why: '302, a redirect to https://login.example.org' })
  })
})

test('a value with control characters is the item’s, and what to do about it is said', () => {
  const message = 'templates.main: cannot finish template replacement because the result was invalid JSON'
  expect(judgeSend(error(400, 3, message))).toEqual({
    kind: 'rejected',
    concerns: 'item',
    why: expect.stringMatching(/^400 templates\.main: cannot .* invalid JSON\. .*as: base64/u),
  })
})

describe('what an answer to a question means', () => {
  test.each<[number, number, string, Verdict['kind']]>([
    [404, 5, 'workflows.argoproj.io "x" not found', 'absent'],
    [404, 5, 'namespaces "nope" not found', 'namespace-missing'],
    [400, 3, "'x' is not managed by the current Argo Server", 'unavailable'],
    [401, 16, 'Unauthorized', 'denied'],
    [
      403,
      7,
      'selfsubjectaccessreviews.authorization.k8s.io is forbidden: User "x" cannot create resource "selfsubjectaccessreviews" in API group',
      'unavailable',
    ],
    [403, 7, 'Permission denied, you are not allowed to list workflows in namespace "x"', 'denied'],
    [429, 8, 'x', 'unavailable'],
    [500, 13, 'x', 'unavailable'],
    [501, 12, 'Not Implemented', 'misdirected'],
    [503, 14, 'x', 'unavailable'],
  ])('%i %i %s', (status, code, message, kind) => {
    expect(judgeRead(error(status, code, message)).kind).toBe(kind)
  })

  test('a proxy’s 404 is not Argo’s: nothing is absent by it', () => {
    expect(judgeRead(answer(404, '<html></html>', { 'content-type': 'text/html' })).kind).toBe('misdirected')
  })

  test('the error of a watch has a shape of its own', () => {
    const body = { error: { grpc_code: 7, http_code: 403, message: 'no', http_status: 'Forbidden' } }
    expect(judgeRead(answer(403, body))).toMatchObject({ kind: 'denied', why: '403 no' })
  })

  test.each(['data: {} \n\n', 'data: {}', '\ndata: {}\n\n\ndata: [1]\n\n'])(
    'the same in an event, as %j',
    (frame) => {
      const error = { grpc_code: 16, http_code: 401, message: 'token not valid', http_status: 'Unauthorized' }
      const body = frame.replace('{}', () => JSON.stringify({ error }))
      const refused = answer(401, body, { 'content-type': 'text/event-stream' })
      expect(judgeRead(refused)).toEqual({ kind: 'denied', concerns: 'worker', why: '401 token not valid' })
    },
  )

  test('no answer is no absence', () => {
    expect(judgeRead(silence(new Error('x'))).kind).toBe('unavailable')
  })
})

describe('what an answer to an action means', () => {
  test('that it was over already is as good as done', () => {
    const over = 'cannot shutdown a completed workflow: workflow: "x", namespace: "argo"'
    expect(judgeAction(error(500, 13, over)).kind).toBe('done')
    expect(judgeAction(error(400, 3, 'Cannot retry a workflow in phase Running')).kind).toBe('done')
    expect(judgeAction(error(500, 13, 'x')).kind).toBe('unavailable')
    expect(judgeAction(error(404, 5, 'x')).kind).toBe('absent')
  })
})

function told(kind: Exclude<Verdict['kind'], 'done'>) {
  return argoFailure({ kind, why: '500 x' }, 'start workflow w', 'a')
}

test('what is reported of it has the code that the engine acts on, and says what to do', () => {
  expect(told('rejected')).toMatchObject({ code: 'SLUICE_JOB_REJECTED', itemId: 'a' })
  expect(told('denied')).toMatchObject({
    code: 'SLUICE_WORKER_DENIED',
    message: expect.stringContaining('Check the token'),
  })
  for (const kind of [
    'unavailable',
    'refused',
    'unknown',
    'misdirected',
    'absent',
    'namespace-missing',
  ] as const) {
    expect(told(kind)).toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE', retryable: true })
  }
  for (const kind of ['unavailable', 'refused', 'unknown', 'misdirected', 'rejected', 'denied'] as const) {
    const failure = argoFailure({ kind, why: 'x', retryAfterMs: 5, concerns: 'capacity' }, 'y')
    expect(failure).toMatchObject({ retryAfterMs: 5, concerns: 'capacity' })
  }
})
