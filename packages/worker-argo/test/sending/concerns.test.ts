import type { TroubleConcerns } from '@sluice/core'
import { describe, expect, test } from 'vitest'
import { readAnswer, silence } from '../../src/api/reply.js'
import { judgeRead, judgeSend } from '../../src/api/verdict.js'

function answer(status: number, body: string, headers: Record<string, string> = {}) {
  return readAnswer(new Response(null, { status, headers }), body, 0)
}

function refusal(status: number, message: string) {
  const codes: Record<number, number> = {
    400: 3,
    401: 16,
    403: 7,
    404: 5,
    408: 1,
    409: 6,
    429: 8,
    501: 12,
    503: 14,
    504: 4,
  }
  return answer(status, JSON.stringify({ code: codes[status] ?? 13, message }))
}

const CREATE = 'cannot create resource "workflows" in API group "argoproj.io" in the namespace "argo"'
const SUBJECT = 'User "system:serviceaccount:argo:sluice"'
const POST = 'Post "https://10.96.0.1:443/apis/argoproj.io/v1alpha1/namespaces/argo/workflows":'
const NAMED = 'workflows.argoproj.io "n" is forbidden:'
const WEBHOOK = 'Post "https://policy.default.svc:443/validate?timeout=10s":'

type Row = readonly [status: number, message: string]

/** As they were recorded, or in the words that the software is known to use. */
const ROWS: Readonly<Record<TroubleConcerns | 'unknown', readonly Row[]>> = {
  worker: [
    [401, 'token not valid. see https://argo-workflows.readthedocs.io/en/latest/faq/'],
    [401, 'Unauthorized'],
    [403, `workflows.argoproj.io is forbidden: ${SUBJECT} ${CREATE}`],
    [
      403,
      `workflows.argoproj.io is forbidden: ${SUBJECT} ${CREATE}: RBAC: role.rbac.authorization.k8s.io "x" not found`,
    ],
    [
      403,
      `workflowtemplates.argoproj.io "t" is forbidden: ${SUBJECT} cannot get resource "workflowtemplates" in API group "argoproj.io"`,
    ],
    [
      403,
      'Permission denied, you are not allowed to list workflows in namespace "x". Maybe you want to specify a namespace',
    ],
    [403, 'permission denied'],
    [
      403,
      `selfsubjectaccessreviews.authorization.k8s.io is forbidden: ${SUBJECT} cannot create resource "selfsubjectaccessreviews"`,
    ],
    [403, `${NAMED} unable to create new content in namespace argo because it is being terminated`],
    [404, 'workflowtemplates.argoproj.io "x" not found'],
    [404, 'templates.main: clusterworkflowtemplates.argoproj.io "x" not found'],
    [404, 'namespaces "nope" not found'],
    // An outage behind the server, which submit dresses as a 400.
    [400, `${POST} dial tcp 10.96.0.1:443: connect: connection refused`],
    [400, `${POST} net/http: TLS handshake timeout`],
    [400, `${POST} EOF`],
    [400, `${POST} read tcp 10.244.0.7:52184->10.96.0.1:443: read: connection reset by peer`],
    [400, `${POST} context deadline exceeded (Client.Timeout exceeded while awaiting headers)`],
    [400, `templates.main.steps[0].a: ${POST} dial tcp 10.96.0.1:443: i/o timeout`],
    [400, 'client rate limiter Wait returned an error: context deadline exceeded'],
    [400, 'etcdserver: request timed out'],
    [400, 'etcdserver: leader changed'],
    [
      400,
      `Internal error occurred: failed calling webhook "x": failed to call webhook: ${WEBHOOK} dial tcp: connection refused`,
    ],
    [400, 'Unauthorized'],
    [400, 'dial tcp: lookup postgres.argo.svc on 10.96.0.10:53: no such host'],
    [
      500,
      `Internal error occurred: failed calling webhook "x": failed to call webhook: ${WEBHOOK} no endpoints available for service "policy"`,
    ],
    [500, 'etcdserver: request timed out'],
    [500, 'driver: bad connection'],
    [500, 'pq: the database system is starting up'],
    [500, `${POST} dial tcp 10.96.0.1:443: connect: connection refused`],
    [503, 'the server is currently unable to handle the request'],
    [501, 'Not Implemented'],
  ],
  capacity: [
    [
      403,
      `${NAMED} exceeded quota: quota, requested: count/workflows.argoproj.io=1, used: count/workflows.argoproj.io=10, limited: count/workflows.argoproj.io=10`,
    ],
    [403, `${NAMED} status unknown for quota: quota, resources: count/workflows.argoproj.io`],
    [400, 'admission webhook "quota.example.com" denied the request: quota exceeded for team maps'],
    [429, 'admission webhook "limits.example.com" denied the request: 100 workflows run in this namespace'],
    [429, 'the server has received too many requests and has asked us to try again later'],
    [
      429,
      '/workflow.WorkflowService/SubmitWorkflow is rejected by grpc_ratelimit middleware, please retry later.',
    ],
    [
      409,
      'Operation cannot be fulfilled on resourcequotas "quota": the object has been modified; please apply your changes',
    ],
  ],
  item: [
    [
      400,
      `${NAMED} ValidatingAdmissionPolicy 'p' with binding 'b' denied request: the label team is required`,
    ],
    [
      403,
      `${NAMED} ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed expression: has(object.metadata.labels.team)`,
    ],
    [400, 'admission webhook "policy.example.com" denied the request: the label team is required'],
    [
      403,
      'admission webhook "validation.gatekeeper.sh" denied the request: [need-team] you must provide labels: {"team"}',
    ],
    [403, 'admission webhook "policy.example.com" denied the request without explanation'],
    [500, 'admission webhook "policy.example.com" denied the request: bad day'],
    [
      400,
      'admission webhook "validate.kyverno.svc-fail" denied the request: \n\nresource Workflow/argo/n was blocked due to the following policies\n\nneed-team:\n  autogen: \'validation error: label team is required\'',
    ],
    // What a policy says may read like anything: an outage, a missing permission.
    [400, 'admission webhook "p" denied the request: a timeout must be set, or the connection refused'],
    [403, `admission webhook "p" denied the request: ${SUBJECT} cannot create resource "workflows"`],
    [400, `${NAMED} ValidatingAdmissionPolicy 'p' with binding 'b' denied request: etcdserver: dial tcp`],
    [403, `${NAMED} failed quota: quota: must specify limits.cpu`],
    [403, `${NAMED} some plugin of tomorrow dislikes it`],
    [400, 'template reference T.nosuch not found'],
    [400, "template name 'nosuch' undefined"],
    [400, 'spec.arguments.item.value or spec.arguments.item.valueFrom is required'],
    [400, 'spec.arguments.timeout.value or spec.arguments.timeout.valueFrom is required'],
    [400, 'spec.arguments.time-out.value should be present in spec.arguments.time-out.enum list'],
    [400, 'templates.main cannot finish template replacement because the result was invalid JSON'],
    [
      400,
      'Workflow.argoproj.io "n" is invalid: metadata.labels: Invalid value: "connection refused": a valid label must be',
    ],
    [400, 'Request entity too large: limit is 3145728'],
    [429, 'grpc: received message larger than max (104857700 vs. 104857600)'],
    [500, 'etcdserver: request is too large'],
    [500, 'expected labels of the form: NAME1=VALUE2,NAME2=VALUE2. Received: a'],
  ],
  unknown: [
    [400, 'the flux capacitor is empty'],
    [400, 'context deadline exceeded'],
    [403, 'not today'],
    [404, 'priorityclasses.scheduling.k8s.io "x" not found'],
    [409, 'workflows.argoproj.io "n" already exists'],
    [500, 'runtime error: invalid memory address or nil pointer dereference'],
    [500, 'an error on the server ("connection refused") has prevented the request from succeeding'],
    [504, 'context deadline exceeded'],
    [408, 'context canceled'],
  ],
}

describe.each(Object.entries(ROWS))('whose trouble a refused send is: %s', (concerns, rows) => {
  test.each(rows)('%i %s', (status, message) => {
    const verdict = judgeSend(refusal(status, message))
    expect(verdict).not.toMatchObject({ kind: 'done' })
    expect('concerns' in verdict ? verdict.concerns : 'unknown').toBe(concerns)
  })
})

test.each(ROWS.worker.filter(([status]) => status === 400))(
  'an outage dressed as a 400 rejects no item: %i %s',
  (status, message) => {
    expect(judgeSend(refusal(status, message))).toMatchObject({ kind: 'unknown' })
  },
)

describe('whose trouble it is that Argo did not write the answer', () => {
  const html = { 'content-type': 'text/html' }
  test.each<[number, string, Record<string, string>, TroubleConcerns | undefined]>([
    [200, '<html>Please sign in</html>', html, undefined],
    [200, '', {}, undefined],
    [200, '{"metadata":{"na', { 'content-type': 'application/json' }, undefined],
    [302, '', { location: 'https://login.example.org/' }, undefined],
    [400, '<html>Bad Request</html>', html, undefined],
    [401, '<html>Unauthorized</html>', html, undefined],
    [403, '<html>Forbidden</html>', html, undefined],
    [404, '<html>Not Found</html>', html, undefined],
    [413, '<html>Request Entity Too Large</html>', html, 'item'],
    [429, '<html>Too Many Requests</html>', html, 'capacity'],
    [429, 'Too Many Requests\n', { 'content-type': 'text/plain' }, 'capacity'],
    [500, '<html>Internal Server Error</html>', html, undefined],
    [502, '<html>Bad Gateway</html>', html, undefined],
    [503, 'upstream connect error or disconnect/reset before headers', {}, undefined],
    [504, '', {}, undefined],
  ])('%i %j', (status, body, headers, concerns) => {
    const verdict = judgeSend(answer(status, body, headers))
    expect('concerns' in verdict ? verdict.concerns : undefined).toBe(concerns)
    // But for these two nothing tells that it was not stored.
    const isKnown = status === 413 || (status === 429 && headers['content-type'] === 'text/plain')
    expect(verdict.kind === 'unknown').toBe(!isKnown)
  })
})

test('an unreachable server is the worker’s trouble; a lost answer may be one item’s', () => {
  const gone = Object.assign(new Error('x'), { code: 'ECONNREFUSED' })
  const reset = Object.assign(new Error('x'), { code: 'ECONNRESET' })
  for (const judge of [judgeSend, judgeRead]) {
    expect(judge(silence(gone))).toMatchObject({ kind: 'unavailable', concerns: 'worker' })
    expect(judge(silence(reset))).not.toHaveProperty('concerns')
  }
})

describe('whose trouble a failed look-up is', () => {
  test.each<[number, string, TroubleConcerns | undefined]>([
    [401, 'Unauthorized', 'worker'],
    [
      403,
      `workflows.argoproj.io "n" is forbidden: ${SUBJECT} cannot get resource "workflows" in API group "argoproj.io"`,
      'worker',
    ],
    [403, 'Permission denied, you are not allowed to list workflows in namespace "x"', 'worker'],
    [403, 'not today', undefined],
    [404, 'namespaces "nope" not found', 'worker'],
    [400, "'n' is not managed by the current Argo Server", 'item'],
    [429, 'the server has received too many requests and has asked us to try again later', 'worker'],
    [500, 'the offloaded nodes of this workflow are broken', undefined],
    [500, 'etcdserver: request timed out', 'worker'],
    [503, 'the server is currently unable to handle the request', 'worker'],
  ])('%i %s', (status, message, concerns) => {
    const verdict = judgeRead(refusal(status, message))
    expect('concerns' in verdict ? verdict.concerns : undefined).toBe(concerns)
  })

  test.each([403, 500, 502])('a page of a proxy, %i: it may be about this name', (status) => {
    const verdict = judgeRead(answer(status, '<html></html>', { 'content-type': 'text/html' }))
    expect(verdict).toMatchObject({ kind: 'unavailable' })
    expect(verdict).not.toHaveProperty('concerns')
  })
})

test.each<[number, string, number]>([
  [400, '7', 7_000],
  [403, '7', 7_000],
  [500, 'Thu, 01 Jan 1970 00:00:09 GMT', 10_000],
  [502, '86400', 86_400_000],
  [503, '7', 7_000],
])('Retry-After of a %i is handed on, uncapped: %s', (status, value, retryAfterMs) => {
  for (const body of ['{"code":13,"message":"x"}', '<html></html>']) {
    const reply = answer(status, body, { 'retry-after': value })
    expect(judgeSend(reply)).toMatchObject({ retryAfterMs })
    expect(judgeRead(reply)).toMatchObject({ retryAfterMs })
  }
})
