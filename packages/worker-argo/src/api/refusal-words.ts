import type { TroubleConcerns } from '@sluice/core'

/** What a refusal means, by its message. */
export interface RefusalMeaning {
  readonly kind:
    | 'unknown'
    | 'rejected'
    | 'refused'
    | 'unavailable'
    | 'denied'
    | 'misdirected'
    | 'namespace-missing'
  /** Absent: the message doesn't show it. */
  readonly concerns?: TroubleConcerns
}

interface Row extends RefusalMeaning {
  /** The HTTP statuses that it holds for. Default all. */
  readonly statuses?: readonly number[]
  readonly words: RegExp
  /** Whether quoted texts are left out first: values of items are quoted, and may match anything. */
  readonly unquoted?: boolean
}

/**
 * The answers of Argo to a submit or a create, by their messages. The first row that matches counts, so the
 * order matters: the denial of a policy may read like an outage, and quoted texts may match anything.
 */
const ROWS: readonly Row[] = [
  // A quota of Kubernetes, or of a webhook that counts: it is free again as workflows end.
  {
    words: /exceeded quota|quota exceeded|insufficient quota|status unknown for quota/iu,
    kind: 'unavailable',
    concerns: 'capacity',
  },
  {
    words: /admission webhook "[^"]*" denied the request/u,
    statuses: [429],
    kind: 'unavailable',
    concerns: 'capacity',
  },
  // An admission webhook may answer with any status; the frame around its message is always Kubernetes' own.
  { words: /admission webhook "[^"]*" denied the request/u, kind: 'refused', concerns: 'item' },
  { words: /AdmissionPolicy '[^']*'.* denied request/u, kind: 'refused', concerns: 'item' },
  {
    words: /message larger than max|request is too large|entity too large/iu,
    kind: 'rejected',
    concerns: 'item',
  },
  { words: /^expected (?:labels|annotations|parameter)s? of the form/iu, kind: 'rejected', concerns: 'item' },
  // A kube-apiserver that has just started hasn't read its roles yet, and denies what every account may do: a
  // self-subject access review.
  {
    words: /\bselfsubject(?:access|rules)reviews\b.* is forbidden/u,
    kind: 'unavailable',
    concerns: 'worker',
  },
  { words: /because it is being terminated/u, statuses: [403], kind: 'unavailable', concerns: 'worker' },
  {
    words: /User "[^"]*" cannot \w+ (?:resource|path)|permission denied|not allowed to/iu,
    statuses: [403],
    kind: 'denied',
    concerns: 'worker',
  },
  // A missing permission to create is reported without a name; what names the workflow comes from admission.
  { words: /\w "[^"]*" is forbidden: /u, statuses: [400, 403, 422], kind: 'refused', concerns: 'item' },
  {
    words: /\bnamespaces "[^"]*" not found/u,
    statuses: [404],
    kind: 'namespace-missing',
    concerns: 'worker',
  },
  {
    words: /\b(?:cluster)?workflowtemplates?\b.*not found|\bcronworkflows?\b.*not found/u,
    statuses: [404],
    kind: 'unavailable',
    concerns: 'worker',
  },
  { words: /\bresourcequotas "/u, statuses: [409], kind: 'unknown', concerns: 'capacity' },
  // Before the messages of an outage: a parameter may be called `timeout`.
  {
    words: /^spec\.arguments\.[-\w]+\.(?:value|valueFrom) (?:or spec\.arguments\.|should be present in )/u,
    statuses: [400],
    kind: 'rejected',
    concerns: 'item',
  },
  // What is behind the server can't be reached or doesn't work: submit reports that as a 400.
  {
    words:
      /\b(?:dial|read|write) (?:tcp|udp|unix)\b|connection (?:refused|reset|lost)|broken pipe|TLS handshake|x509:|no such host|no route to host|network is unreachable|GOAWAY|http2:|use of closed network|server misbehaving|unable to return a response|currently unable to handle|client rate limiter|etcdserver: |(?:failed calling|failed to call) webhook|no endpoints available|(?:Get|Post|Put|Patch) "":|bad connection|sql: |database (?:is |system )|pq: |^Unauthorized$|leader (?:changed|election)/u,
    unquoted: true,
    statuses: [400, 408, 500, 502, 503, 504],
    kind: 'unknown',
    concerns: 'worker',
  },
  // These may also be about one request that took too long.
  {
    words: /\bEOF\b|time(?:d)? ?out|deadline exceeded|context canceled|too many requests|please try again/iu,
    unquoted: true,
    statuses: [400],
    kind: 'unknown',
  },
  {
    words: /template reference .* not found|template name '.*' undefined/u,
    statuses: [400],
    kind: 'refused',
    concerns: 'item',
  },
  ...[
    /result was invalid JSON/u,
    /^(?:spec|templates|metadata)[.[]/u,
    /\bspec\.arguments\./u,
    /\bfailed to resolve \{\{/u,
    / is required$/u,
    / is not unique$/u,
    / is invalid: /u,
    / should be present in .* enum list$/u,
    /must not be more than \d+ characters long/u,
    /is not supported for submitting$/u,
    /is invalid field in spec if workflow referred/u,
    /workflow body not specified/u,
    /namespace of the provided object does not match/u,
    /^(?:json|proto): /u,
    /cannot unmarshal|invalid character .* (?:in|after|looking for)/u,
    /^invalid spec: /u,
  ].map((words): Row => ({ words, statuses: [400], kind: 'rejected', concerns: 'item' })),
]

const BY_STATUS: Readonly<Record<number, RefusalMeaning>> = {
  401: { kind: 'denied', concerns: 'worker' },
  // An unknown message: some part of admission, or of a proxy. No item fails for it alone, and no other item
  // waits for it.
  403: { kind: 'refused' },
  404: { kind: 'unavailable' },
  // A name that exists, or a conflict: a question by name decides.
  409: { kind: 'unknown' },
  429: { kind: 'unknown', concerns: 'capacity' },
  501: { kind: 'misdirected', concerns: 'worker' },
}

/** What Argo's refusal of a submit or a create means, and whose trouble it is [W-SEND-2]. */
export function meaningOf(status: number, message: string): RefusalMeaning {
  const bare = message.replaceAll(/"(?:[^"\\]|\\.)*"/gu, '""')
  const row = ROWS.find(
    ({ words, statuses, unquoted }) =>
      (statuses === undefined || statuses.includes(status)) && words.test(unquoted === true ? bare : message),
  )
  return row ?? BY_STATUS[status] ?? { kind: 'unknown' }
}

/** A value is put into the template's JSON unescaped: a control character breaks it. */
export function isBrokenTemplate(message: string): boolean {
  return /template replacement because the result was invalid JSON/u.test(message)
}

/** Kubernetes' message when something is to be made in a namespace that is missing. */
export function isOfNamespace(message: string): boolean {
  return /\bnamespaces "[^"]*" not found/u.test(message)
}

/**
 * Whose trouble a failed question is: a question has no payload that could be at fault, but it is about one
 * workflow.
 */
export function meaningOfRead(status: number, message: string): RefusalMeaning {
  if (status === 403) {
    const meaning = meaningOf(status, message)
    return meaning.kind === 'refused' ? { kind: 'denied' } : meaning
  }
  if (status === 401 || status === 501) return meaningOf(status, message)
  if (status === 429) return { kind: 'unavailable', concerns: 'worker' }
  if (/is not managed by the current Argo Server/u.test(message))
    return { kind: 'unavailable', concerns: 'item' }
  const { concerns } = meaningOf(status, message)
  return concerns === 'worker' ? { kind: 'unavailable', concerns } : { kind: 'unavailable' }
}
