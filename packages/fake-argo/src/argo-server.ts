import type { Runtime } from '@sluice/core'
import { Access } from './server/access.js'
import type { AdmissionRule } from './operations/admission.js'
import { Archive } from './cluster/archive.js'
import { ArgoCore } from './server/argo-core.js'
import { ArgoEndpoint, type ArgoEndpointOptions } from './server/argo-endpoint.js'
import { argoLabel, timestamp, type ArgoWorkflow } from './argo-workflow.js'
import { Cluster } from './cluster/cluster.js'
import { Controller } from './controller/controller.js'
import { defaultControllerSettings, type ControllerSettings } from './controller/controller-settings.js'
import { Names } from './names.js'
import { perOperation, type ArgoOperation } from './server/operation.js'
import { Operator } from './cluster/operator.js'
import { PodLogs } from './pods/pod-logs.js'
import { OverloadState, type Overload } from './server/overload.js'
import { RateLimit } from './server/rate-limit.js'
import type { EndpointParts } from './server/request-handler.js'
import type { ArgoTraffic } from './server/request-log.js'
import type { ArgoVersion } from './argo-version.js'
import { rulesOf, type ArgoRules } from './rules.js'
import { systemRuntime } from '@sluice/core/backend'
import { Templates, type ArgoTemplate } from './cluster/templates.js'
import { testTemplates } from './cluster/test-templates.js'
import { transportError } from './server/trouble.js'
import type { WatchSettings } from './streams/stream-reply.js'
import { WorkflowControl } from './cluster/workflow-control.js'

/** The options of a server; each has a default. */
export interface ArgoServerOptions extends ArgoEndpointOptions {
  /** The version of Argo Workflows that it behaves as. Default `4.1.2`. */
  readonly version?: ArgoVersion
  /** Its differences from that version, such as `{ continueBug: false }`. */
  readonly rules?: Partial<ArgoRules>
  /** The clock and timers of timestamps, phases, keepalives and delays. Default those of the machine. */
  readonly runtime?: Runtime
  /**
   * The namespaces; `workflows` and `operator` work in the first one. Default
   * `['argo']`.
   */
  readonly namespaces?: readonly string[]
  /** The templates. Default {@link testTemplates}. */
  readonly templates?: readonly ArgoTemplate[]
  /** The accepted token. Default a fixed one: see `server.token`. */
  readonly token?: string
  /** Whether requests without a token are accepted. Default no. */
  readonly serverMode?: boolean
  /** Actions that are forbidden, such as `create workflows`, `get workflowtemplates`, `delete pods`. */
  readonly denied?: readonly string[]
  /** What the cluster's admission policies and webhooks deny. Default nothing. Later: `server.admission`. */
  readonly admission?: AdmissionRule
  /**
   * How many workflows a namespace may have, finished ones too. Default any number. Later: `server.quota`.
   */
  readonly quota?: number
  /** The namespace of a server started with `--namespaced`. Default all. */
  readonly managedNamespace?: string
  /** The controller's and server's instance id. Default none. */
  readonly instanceId?: string
  /** The settings of the controller. */
  readonly controller?: Partial<ControllerSettings>
  /** Whether finished workflows are archived. Default no. */
  readonly archive?: boolean
  /** How long the archive keeps them. Default for ever. */
  readonly archiveTtlMs?: number
  /** Requests a second, in all; Argo's default is 1,000. Default a million. */
  readonly apiRateLimit?: number
  /** What many unfinished workflows do to the server. Default nothing. Later: `server.overload`. */
  readonly overload?: Overload
  /** The settings of watches and of log streams. */
  readonly watching?: Partial<WatchSettings>
  /**
   * Which workflows `workflows.unfinished` and `maxUnfinished` count. Default all but those that an operator
   * resubmitted, which no client can bound.
   */
  readonly counts?: (workflow: ArgoWorkflow) => boolean
  /** The seed of uids and generated names. Default 1. */
  readonly seed?: number
}

const DEFAULT_TOKEN = 'sluice-test-token'
const RESUBMITTED = argoLabel('resubmitted-from-workflow')
const SUBJECT = 'system:serviceaccount:argo:sluice'

/**
 * An Argo Server in the process, with its controller and Kubernetes behind it: real HTTP, workflows in
 * memory, faults on demand.
 */
export class ArgoServer {
  /** The first address. Each address has faults of its own. */
  readonly main: ArgoEndpoint
  /** The first namespace. */
  readonly namespace: string
  /** Reads workflows, and takes them through their phases manually. */
  readonly workflows: WorkflowControl
  /** An operator at Argo's UI. */
  readonly operator: Operator
  /** Pauses it, and changes how workflows end: `controller.settings.outcome = …`. */
  readonly controller: Controller
  /** Adds, changes and deletes templates. */
  readonly templates: Templates
  /** Tokens and permissions: `access.denied.add('create workflows')`. */
  readonly access: Access
  /** The settings of watches that are opened from now on. */
  readonly watching: WatchSettings
  #token: string
  readonly #parts: EndpointParts
  readonly #endpoints: ArgoEndpoint[]

  /** Use {@link startArgoServer}. */
  constructor(
    parts: EndpointParts,
    main: ArgoEndpoint,
    start: { readonly namespace: string; readonly token: string },
  ) {
    const { controller, templates, access } = parts.core.parts
    this.#parts = parts
    this.main = main
    this.namespace = start.namespace
    this.#token = start.token
    this.controller = controller
    this.templates = templates
    this.access = access
    this.watching = parts.watching
    this.workflows = new WorkflowControl(parts.core.parts, start.namespace)
    this.operator = new Operator(parts.core.parts, main.replica, start.namespace)
    this.#endpoints = [main]
  }

  /** The base URL of the first address. */
  get url(): string {
    return this.main.url
  }

  /** The accepted token. */
  get token(): string {
    return this.#token
  }

  /** Accepts this token from now on, and no other one. */
  rotateToken(token: string): void {
    this.access.revokeAll()
    this.access.admit(token, SUBJECT)
    this.#token = token
  }

  /**
   * The trouble between the server and kube-apiserver: submit is then answered 400, as for a caller's
   * mistake, and all else that needs Kubernetes 500.
   */
  set kubernetes(state: 'up' | 'refused' | 'timeout' | 'limiter') {
    this.#parts.core.parts.kubernetesTrouble = state === 'up' ? undefined : transportError(state)
  }

  /** Denials of the cluster's admission policies and webhooks for new workflows; `undefined`: none. */
  set admission(rule: AdmissionRule | undefined) {
    this.#parts.core.parts.admission = rule
  }

  /** What many unfinished workflows do to the server; `undefined`: nothing. */
  set overload(overload: Overload | undefined) {
    this.#parts.overload.overload = overload
  }

  /** How many workflows a namespace may have; `undefined`: any number. */
  set quota(workflows: number | undefined) {
    this.#parts.core.parts.quota = workflows
  }

  /**
   * Whether Kubernetes fails to read single workflows, and answers all else. The server then reads the
   * archive, whatever the error was, and so answers with the workflow as it was archived.
   */
  set readsFail(fail: boolean) {
    this.#parts.core.parts.readsFail = fail
  }

  /** One more replica: the same workflows, with list cache, faults and counts of its own. */
  async addEndpoint(options: ArgoEndpointOptions = {}): Promise<ArgoEndpoint> {
    const endpoint = await ArgoEndpoint.open(this.#parts, options)
    this.#endpoints.push(endpoint)
    return endpoint
  }

  /** Requests and bytes by operation, over all addresses. */
  traffic(): Record<ArgoOperation, ArgoTraffic> {
    const all = this.#endpoints.map((endpoint) => endpoint.traffic())
    return perOperation((operation) => sumOf(all.map((one) => one[operation])))
  }

  /** Requests and bytes of all operations together, over all addresses. */
  total(): ArgoTraffic {
    return sumOf(Object.values(this.traffic()))
  }

  /** Clears the counts and logs of all addresses, and resets `workflows.maxUnfinished`. */
  resetCounts(): void {
    for (const endpoint of this.#endpoints) endpoint.resetCounts()
    this.workflows.resetMaximum()
  }

  /**
   * Kubernetes compacts all changes so far: watches from an older one are answered that it is too old.
   */
  compact(): void {
    this.#parts.core.parts.cluster.compact()
  }

  /** Resolves when every request that arrived anywhere has taken effect or been dropped. */
  async settled(): Promise<void> {
    for (const endpoint of this.#endpoints) await endpoint.settled()
  }

  /** Closes all addresses; the workflows are gone. */
  async close(): Promise<void> {
    this.controller.close()
    await Promise.all(this.#endpoints.map((endpoint) => endpoint.close()))
  }
}

function sumOf(all: readonly ArgoTraffic[]): ArgoTraffic {
  const sum = (field: keyof ArgoTraffic) => all.reduce((total, one) => total + one[field], 0)
  return { requests: sum('requests'), requestBytes: sum('requestBytes'), answerBytes: sum('answerBytes') }
}

/**
 * Starts a server on a free port of the loopback, or on the one given.
 *
 * @example
 * ```ts
 * import { startArgoServer } from '@sluice/fake-argo'
 *
 * const server = await startArgoServer({ controller: { parallelism: 50 } })
 * const answer = await fetch(`${server.url}/api/v1/workflows/argo/submit`, {
 *   method: 'POST',
 *   headers: { authorization: `Bearer ${server.token}` },
 *   body: JSON.stringify({
 *     resourceKind: 'WorkflowTemplate',
 *     resourceName: 'test-workflow-template',
 *     submitOptions: { name: 'one', parameters: ['item=1', 'seconds=5'] },
 *   }),
 * })
 * server.workflows.finish('one', { phase: 'Failed', exitCode: 3 })
 * await server.close()
 * ```
 */
export async function startArgoServer(options: ArgoServerOptions = {}): Promise<ArgoServer> {
  const { runtime = systemRuntime, namespaces = ['argo'], token = DEFAULT_TOKEN } = options
  const namespace = namespaces[0] ?? 'argo'
  const access = new Access(options.serverMode ?? false, options.denied ?? [])
  access.admit(token, SUBJECT)
  const parts = {
    core: new ArgoCore(partsOf(options, { runtime, access, namespace })),
    runtime,
    rateLimit: new RateLimit(options.apiRateLimit ?? 1_000_000),
    overload: new OverloadState(options.overload),
    watching: {
      keepaliveMs: 15_000,
      chunkBytes: Number.POSITIVE_INFINITY,
      logsEveryMs: 1_000,
      ...options.watching,
    },
  }
  return new ArgoServer(parts, await ArgoEndpoint.open(parts, options), { namespace, token })
}

function partsOf(
  options: ArgoServerOptions,
  { runtime, access, namespace }: { runtime: Runtime; access: Access; namespace: string },
): ArgoCore['parts'] {
  const now = () => runtime.now()
  const cluster = new Cluster(options.counts ?? (({ metadata }) => !(RESUBMITTED in metadata.labels)))
  const templates = new Templates(namespace)
  for (const template of options.templates ?? testTemplates) templates.put(template)
  const archive = new Archive(options.archive ?? false, now, options.archiveTtlMs ?? Number.POSITIVE_INFINITY)
  const settings = { ...defaultControllerSettings, ...options.controller }
  const rules = { ...rulesOf(options.version ?? '4.1.2'), ...options.rules }
  return {
    rules,
    cluster,
    archive,
    templates,
    pods: new PodLogs(cluster, now, () => settings.output),
    controller: new Controller({ settings, runtime, cluster, archive, templates, rules }),
    access,
    names: new Names(options.seed ?? 1),
    namespaces: new Set(options.namespaces ?? [namespace]),
    instanceId: options.instanceId ?? '',
    managedNamespace: options.managedNamespace ?? '',
    startedAt: timestamp(runtime.now()),
    now,
    kubernetesTrouble: undefined,
    admission: options.admission,
    quota: options.quota,
    readsFail: false,
  }
}
