import { ArgoRefusal } from './answer.js'
import { argoLabel } from '../argo-workflow.js'

/** Who sent a request. */
export interface Caller {
  /** Such as `system:serviceaccount:argo:sluice`; empty when the server acts for itself. */
  readonly subject: string
}

const NO_TOKEN = 'token not valid. see https://argo-workflows.readthedocs.io/en/latest/faq/'

/** What a caller wants to do. */
interface Demand {
  readonly verb: string
  readonly resource: string
  readonly name?: string
  readonly namespace: string
}

/** Tokens and permissions. All of it can be changed at any time. */
export class Access {
  /** Whether a request without a token uses the server's own account. */
  serverMode: boolean
  /** Actions that are forbidden, such as `create workflows` or `delete pods`. */
  readonly denied: Set<string>
  /**
   * Whether kube-apiserver has read its roles. For some seconds after its start it has not, and forbids even
   * the access review that the server makes for each list.
   */
  rolesRead = true
  readonly #tokens = new Map<string, string>()

  constructor(serverMode: boolean, denied: Iterable<string>) {
    this.serverMode = serverMode
    this.denied = new Set(denied)
  }

  /** Accepts a token. */
  admit(token: string, subject: string): void {
    this.#tokens.set(token, subject)
  }

  /** Revokes all tokens. */
  revokeAll(): void {
    this.#tokens.clear()
  }

  /** @throws ArgoRefusal 401 */
  callerOf(headers: Readonly<Record<string, string>>): Caller {
    const given = headers['authorization'] ?? cookie(headers['cookie'] ?? '')
    if (given === undefined && this.serverMode) return { subject: '' }
    const [, token] = /^(?:Bearer|Basic) (.*)$/.exec(given ?? '') ?? []
    if (token === undefined) throw new ArgoRefusal(16, NO_TOKEN)
    const subject = this.#tokens.get(token)
    if (subject === undefined) throw new ArgoRefusal(16, 'Unauthorized')
    return { subject }
  }

  /** Whether a verb is allowed on a resource. */
  allows(verb: string, resource: string): boolean {
    return !this.denied.has(`${verb} ${resource}`)
  }

  /**
   * The server reviews with Kubernetes what a caller may do. @throws ArgoRefusal 403 while kube-apiserver has
   * no roles yet
   */
  review({ subject }: Caller): void {
    if (this.rolesRead) return
    const what = 'selfsubjectaccessreviews'
    const group = 'authorization.k8s.io'
    throw new ArgoRefusal(
      7,
      `${what}.${group} is forbidden: User "${subject}" cannot create resource "${what}" in API group "${group}" at the cluster scope`,
    )
  }

  /** @throws ArgoRefusal 403, in Kubernetes' words */
  demand(caller: Caller, { verb, resource, name = '', namespace }: Demand): void {
    if (this.allows(verb, resource)) return
    const [what, group] = resource === 'pods' ? ['pods', ''] : [`${resource}.argoproj.io`, 'argoproj.io']
    const which = name === '' ? what : `${what} "${name}"`
    const user = caller.subject === '' ? 'system:serviceaccount:argo:argo-server' : caller.subject
    throw new ArgoRefusal(
      7,
      `${which} is forbidden: User "${user}" cannot ${verb} resource "${resource}" in API group "${group}" in the namespace "${namespace}"`,
    )
  }
}

function cookie(header: string): string | undefined {
  for (const part of header.split(';')) {
    const cut = part.indexOf('=')
    if (part.slice(0, cut).trim() === 'authorization') return decodeURIComponent(part.slice(cut + 1))
  }
  return undefined
}

/** The labels with the creator of a workflow. */
export function creatorLabels({ subject }: Caller): Record<string, string> {
  return subject === '' ? {} : { [argoLabel('creator')]: labelled(subject) }
}

/** The labels with the actor of the last action on a workflow. */
export function actorLabels({ subject }: Caller, action: string): Record<string, string> {
  return subject === ''
    ? { [argoLabel('action')]: action }
    : { [argoLabel('action')]: action, [argoLabel('actor')]: labelled(subject) }
}

function labelled(subject: string): string {
  return subject
    .replaceAll(/[^-_.a-zA-Z0-9]/g, '-')
    .slice(-63)
    .replaceAll(/^[-_.]+|[-_.]+$/g, '')
}
