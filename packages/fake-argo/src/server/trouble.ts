import { errorAnswer, pageAnswer, streamRefusal, type ArgoAnswer } from './answer.js'
import type { ArgoRequest } from './request.js'

const HOST = 'https://10.96.0.1:443/apis/argoproj.io/v1alpha1'

const TRANSPORT_ERRORS = {
  refused: 'dial tcp 10.96.0.1:443: connect: connection refused',
  timeout: 'net/http: TLS handshake timeout',
  limiter: 'client rate limiter Wait returned an error: context deadline exceeded',
} as const

/** The error texts of a client library that cannot reach Kubernetes. */
export function transportError(what: keyof typeof TRANSPORT_ERRORS, namespace = 'argo'): string {
  const text = TRANSPORT_ERRORS[what]
  return what === 'limiter' ? text : `Post "${HOST}/namespaces/${namespace}/workflows": ${text}`
}

/** Submit reports every error that is not Kubernetes' own as a caller's mistake. */
function transport(what: keyof typeof TRANSPORT_ERRORS): Make {
  return ({ operation, namespace }) =>
    errorAnswer(operation === 'SubmitWorkflow' ? 3 : 13, transportError(what, namespace))
}

type Make = (request: ArgoRequest, now: number) => ArgoAnswer

const json =
  (grpcCode: number, message: (request: ArgoRequest) => string): Make =>
  (request) =>
    errorAnswer(grpcCode, message(request))

/** A proxy's own page. */
function proxyPage(status: number, title: string): Make {
  return () => ({
    status,
    headers: { 'content-type': 'text/html', server: 'nginx' },
    body: `<html>\r\n<head><title>${status} ${title}</title></head>\r\n<body>\r\n<center><h1>${status} ${title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n`,
  })
}

const quoted = ({ name }: ArgoRequest) => `workflows.argoproj.io "${name}"`

const TROUBLES = {
  /** The HTTP limiter: plain text, `Retry-After` as a date one second ahead. */
  'rate-limited': (_, now) => ({
    status: 429,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'retry-after': new Date(now + 1000).toUTCString(),
    },
    body: 'Too Many Requests\n',
  }),
  /** The gRPC limiter: JSON, and no `Retry-After`. */
  'grpc-rate-limited': json(
    8,
    ({ operation }) =>
      `/workflow.WorkflowService/${operation} is rejected by grpc_ratelimit middleware, please retry later.`,
  ),
  'message-too-large': json(8, () => 'grpc: received message larger than max (104857700 vs. 104857600)'),
  'kubernetes-throttled': json(
    8,
    () => 'the server has received too many requests and has asked us to try again later',
  ),
  'quota-conflict': json(
    6,
    () =>
      'Operation cannot be fulfilled on resourcequotas "quota": the object has been modified; please apply your changes to the latest version and try again',
  ),
  'update-conflict': json(
    6,
    (request) =>
      `Operation cannot be fulfilled on ${quoted(request)}: the object has been modified; please apply your changes to the latest version and try again`,
  ),
  'quota-exceeded': json(
    7,
    (request) =>
      `${quoted(request)} is forbidden: exceeded quota: quota, requested: count/workflows.argoproj.io=1, used: count/workflows.argoproj.io=100, limited: count/workflows.argoproj.io=100`,
  ),
  forbidden: json(
    7,
    ({ namespace }) =>
      `workflows.argoproj.io is forbidden: User "system:serviceaccount:argo:sluice" cannot create resource "workflows" in API group "argoproj.io" in the namespace "${namespace}"`,
  ),
  /** An admission policy denies this one: it reads like a missing permission, and is a 400. */
  'policy-denied': json(
    3,
    (request) =>
      `${quoted(request)} is forbidden: ValidatingAdmissionPolicy 'no-latest' with binding 'no-latest' denied request: the label team is required`,
  ),
  'webhook-denied': json(
    3,
    () => 'admission webhook "policy.example.com" denied the request: the label team is required',
  ),
  /** The same by a webhook that chose its status, and gives no reason. */
  'webhook-forbidden': json(
    7,
    () => 'admission webhook "policy.example.com" denied the request without explanation',
  ),
  /** A webhook with a quota. */
  'webhook-limit': json(
    8,
    () => 'admission webhook "limits.example.com" denied the request: 100 workflows run in this namespace',
  ),
  /** The webhook itself is unreachable. */
  'webhook-unreachable': json(
    13,
    () =>
      'Internal error occurred: failed calling webhook "policy.example.com": failed to call webhook: Post "https://policy.default.svc:443/validate?timeout=10s": dial tcp 10.96.0.7:443: connect: connection refused',
  ),
  /** A quota requires a field that no workflow has. */
  'quota-unmet': json(
    7,
    (request) => `${quoted(request)} is forbidden: failed quota: quota: must specify limits.cpu`,
  ),
  'namespace-terminating': json(
    7,
    (request) =>
      `${quoted(request)} is forbidden: unable to create new content in namespace ${request.namespace} because it is being terminated`,
  ),
  'bad-entrypoint': json(3, () => 'template reference test-workflow-template.nosuch not found'),
  /** A kube-apiserver that has just started has no roles yet. */
  'roles-unread': json(
    7,
    () =>
      'selfsubjectaccessreviews.authorization.k8s.io is forbidden: User "system:serviceaccount:argo:sluice" cannot create resource "selfsubjectaccessreviews" in API group "authorization.k8s.io" at the cluster scope',
  ),
  /** A watch that Kubernetes closed as it was opened; the next one opens. */
  'watch-not-opened': ({ operation, headers }) =>
    operation === 'WatchWorkflows' ? streamRefusal(headers, 8, 'EOF') : errorAnswer(8, 'EOF'),
  'token-invalid': json(
    16,
    () => 'token not valid. see https://argo-workflows.readthedocs.io/en/latest/faq/',
  ),
  unauthorized: json(16, () => 'Unauthorized'),
  /** kube-apiserver refuses connections: 400 on submit, 500 elsewhere. */
  'kubernetes-refused': transport('refused'),
  'kubernetes-timeout': transport('timeout'),
  'client-rate-limiter': transport('limiter'),
  'etcd-too-large': json(13, () => 'etcdserver: request is too large'),
  'entity-too-large': json(3, () => 'Request entity too large: limit is 3145728'),
  'etcd-timeout': json(13, () => 'etcdserver: request timed out'),
  internal: json(13, () => 'an error on the server ("") has prevented the request from succeeding'),
  panic: json(13, () => 'runtime error: invalid memory address or nil pointer dereference'),
  canceled: json(1, () => 'context canceled'),
  unavailable: json(14, () => 'the server is currently unable to handle the request'),
  'deadline-exceeded': json(4, () => 'context deadline exceeded'),
  'already-exists': json(
    6,
    (request) =>
      `${quoted(request)} already exists, the server was not able to generate a unique name for the object`,
  ),
  /** Kubernetes before 1.23, when the name exists and `generateName` is set. */
  'old-already-exists': json(
    13,
    () =>
      'The POST operation against Workflow.argoproj.io could not be completed at this time, please try again.',
  ),
  /** The same on create: the workflow may exist, or not. */
  'create-timeout': json(
    4,
    ({ name }) =>
      `create request failed due to timeout, but it's possible that workflow "${name}" already exists. Original error: The POST operation against Workflow.argoproj.io could not be completed at this time, please try again.`,
  ),
  'template-not-found': json(5, () => 'workflowtemplates.argoproj.io "test-workflow-template" not found'),
  'not-found': json(5, (request) => `${quoted(request)} not found`),
  'not-implemented': json(12, () => 'Not Implemented'),
  /** A wrong URL: the UI's page, with status 200. */
  page: () => pageAnswer,
  /** A gateway that lost the answer: no body at all. */
  empty: () => ({ status: 200, headers: { server: 'nginx' }, body: '' }),
  /** A gateway's page with status 200, such as a login. */
  'gateway-page': proxyPage(200, 'Please sign in'),
  /** A firewall that refuses the content. */
  'proxy-403': proxyPage(403, 'Forbidden'),
  'proxy-413': proxyPage(413, 'Request Entity Too Large'),
  'proxy-429': proxyPage(429, 'Too Many Requests'),
  'proxy-500': proxyPage(500, 'Internal Server Error'),
  /** An ingress that knows no such path. */
  'proxy-404': proxyPage(404, 'Not Found'),
  'proxy-502': proxyPage(502, 'Bad Gateway'),
  'proxy-503': proxyPage(503, 'Service Temporarily Unavailable'),
  'proxy-504': proxyPage(504, 'Gateway Time-out'),
} as const satisfies Record<string, Make>

/** The answers known by name. */
export type ArgoTrouble = keyof typeof TROUBLES

/** All of them. */
export const argoTroubles: readonly ArgoTrouble[] = Object.keys(TROUBLES).filter(isTrouble)

function isTrouble(name: string): name is ArgoTrouble {
  return Object.hasOwn(TROUBLES, name)
}

/** The answer of that name to a request. */
export function troubleAnswer(trouble: ArgoTrouble, request: ArgoRequest, now: number): ArgoAnswer {
  return TROUBLES[trouble](request, now)
}
