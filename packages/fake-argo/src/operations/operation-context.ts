import type { Access, Caller } from '../server/access.js'
import type { AdmissionRule } from './admission.js'
import { ArgoRefusal } from '../server/answer.js'
import type { Archive } from '../cluster/archive.js'
import { asObject, isObject, LABEL_INSTANCE, type ArgoWorkflow, type JsonObject } from '../argo-workflow.js'
import { decoded, type Shape } from './body-shape.js'
import type { Cluster } from '../cluster/cluster.js'
import type { Controller } from '../controller/controller.js'
import type { Names } from '../names.js'
import type { PodLogs } from '../pods/pod-logs.js'
import type { Replica } from '../server/replica.js'
import type { ArgoRequest } from '../server/request.js'
import type { ArgoRules } from '../rules.js'
import type { Templates } from '../cluster/templates.js'

/** What all operations work on. */
export interface ArgoParts {
  readonly rules: ArgoRules
  readonly cluster: Cluster
  readonly archive: Archive
  readonly templates: Templates
  readonly controller: Controller
  readonly pods: PodLogs
  readonly access: Access
  readonly names: Names
  readonly namespaces: ReadonlySet<string>
  readonly instanceId: string
  /** Empty: all. */
  readonly managedNamespace: string
  /** When the templates were made. */
  readonly startedAt: string
  readonly now: () => number
  /** The trouble on the way to Kubernetes, if any: a transport error in Go's words. */
  kubernetesTrouble: string | undefined
  /** The cluster's policies and webhooks for new workflows. */
  admission: AdmissionRule | undefined
  /** How many workflows a namespace may have. */
  quota: number | undefined
  /**
   * Whether Kubernetes fails only to read single workflows: the archive answers then, where there is one.
   */
  readsFail: boolean
}

/** What one operation works on. */
export interface OperationContext {
  readonly parts: ArgoParts
  readonly request: ArgoRequest
  readonly caller: Caller
  readonly replica: Replica
}

/**
 * The body as an object; an empty one is one without keys.
 *
 * @throws ArgoRefusal 400 when it is no JSON object of this shape, 429 when it is too large
 */
export function bodyOf(
  { request }: OperationContext,
  shape: { readonly [field: string]: Shape },
): JsonObject {
  if (request.body.length > MAX_MESSAGE_BYTES) {
    const sizes = `${request.body.length} vs. ${MAX_MESSAGE_BYTES}`
    throw new ArgoRefusal(8, `grpc: received message larger than max (${sizes})`)
  }
  if (request.body.trim() === '') return {}
  const parsed = parsedJson(request.body)
  if (!isObject(parsed)) throw new ArgoRefusal(3, 'json: cannot unmarshal value into Go value')
  return decoded(parsed, shape)
}

/** `GRPC_MESSAGE_SIZE` */
const MAX_MESSAGE_BYTES = 104_857_600

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ArgoRefusal(3, `invalid character in the body: ${String(error)}`)
  }
}

/** @throws ArgoRefusal when Kubernetes can't be reached */
export function reachKubernetes({ parts }: OperationContext, grpcCode = 13): void {
  if (parts.kubernetesTrouble !== undefined) throw new ArgoRefusal(grpcCode, parts.kubernetesTrouble)
}

/**
 * The effective spec of a workflow, as the server sees it: a server of one namespace has no templates of
 * others, unless it reads them by the caller's account. `undefined` when its template is missing.
 */
export function resolvedSpec(
  { managedNamespace, rules, templates }: ArgoParts,
  spec: JsonObject,
  namespace: string,
): JsonObject | undefined {
  const { name, clusterScope } = asObject(spec['workflowTemplateRef'])
  const isElsewhere = managedNamespace !== '' && namespace !== managedNamespace
  const isHidden = isElsewhere && !rules.callerReadsTemplates && name !== undefined && clusterScope !== true
  return isHidden ? undefined : templates.resolved(spec, namespace)
}

/**
 * The workflow that the path names, live or else archived.
 *
 * @throws ArgoRefusal 404, or 400 when another instance manages it
 */
export function workflowOf(context: OperationContext, uid = ''): ArgoWorkflow {
  const { parts, request, caller } = context
  const { namespace, name } = request
  if (name === '') throw new ArgoRefusal(13, 'resource name may not be empty')
  reachKubernetes(context)
  parts.access.demand(caller, { verb: 'get', resource: 'workflows', name, namespace })
  const live = liveOf(context)
  const found =
    live !== undefined && (uid === '' || live.metadata.uid === uid) ? live : archived(context, uid)
  if (found === undefined && parts.readsFail) throw new ArgoRefusal(13, READ_FAILED)
  if (found === undefined && live !== undefined) throw new ArgoRefusal(13, NIL_POINTER)
  if (found === undefined) throw new ArgoRefusal(5, missing(name))
  if ((found.metadata.labels[LABEL_INSTANCE] ?? '') !== parts.instanceId) {
    throw new ArgoRefusal(3, `'${found.metadata.name}' is not managed by the current Argo Server`)
  }
  return found
}

function liveOf({ parts, request: { namespace, name } }: OperationContext): ArgoWorkflow | undefined {
  if (parts.readsFail) return undefined
  return name === '@latest' ? latest(parts, namespace) : parts.cluster.get(namespace, name)
}

const READ_FAILED = 'etcdserver: request timed out'
const NIL_POINTER = 'runtime error: invalid memory address or nil pointer dereference'

/** The live workflow that the path names: actions do not use the archive. */
export function liveWorkflowOf(context: OperationContext): ArgoWorkflow {
  const found = workflowOf(context)
  const { namespace, name } = found.metadata
  if (context.parts.cluster.get(namespace, name) !== found) throw new ArgoRefusal(5, missing(name))
  return found
}

/** The error for a missing workflow. */
export function missing(name: string): string {
  return `workflows.argoproj.io "${name}" not found`
}

function archived({ parts, request }: OperationContext, uid: string): ArgoWorkflow | undefined {
  if (!parts.archive.enabled) return undefined
  return uid === '' ? parts.archive.byName(request.namespace, request.name) : parts.archive.byUid(uid)
}

function latest({ cluster }: ArgoParts, namespace: string): ArgoWorkflow | undefined {
  let found: ArgoWorkflow | undefined
  for (const one of cluster.all()) if (one.metadata.namespace === namespace) found = one
  return found
}

/** Whether a workflow is archived and no longer live: it is shown with kind and version. */
export function isArchivedOnly({ parts }: OperationContext, workflow: ArgoWorkflow): boolean {
  const { namespace, name } = workflow.metadata
  return parts.cluster.get(namespace, name) !== workflow
}
