import {
  argoTarget,
  startArgoServer,
  type ArgoFault,
  type ArgoServer,
  type ArgoServerOptions,
  type AdmissionRule,
  type ArgoTarget,
} from '../src/index.ts'
import { ManualRuntime } from '@sluice/testkit'
import { clientOf, type Client } from './client.ts'

/** A server on a clock that stands still, and a client of it. */
export interface Bench {
  readonly server: ArgoServer
  readonly client: Client
  readonly runtime: ManualRuntime
}

export async function startBench(options: ArgoServerOptions = {}): Promise<Bench> {
  const runtime = new ManualRuntime()
  const server = await startArgoServer({ runtime, controller: { reconcileDelayMs: 0 }, ...options })
  return { server, runtime, client: clientOf(server) }
}

/** The next request goes wrong so; later ones don't. */
export function next({ main }: ArgoServer, fault: ArgoFault): void {
  main.onRequest = () => {
    main.onRequest = undefined
    return fault
  }
}

/** The names in a list. */
export function namesIn(body: Record<string, unknown>): unknown[] {
  const { items } = body
  return Array.isArray(items) ? items.map((item: { metadata: { name: string } }) => item.metadata.name) : []
}

/** A cluster with a policy against one label, as the facts about denials want it. */
export const denyLabelled: AdmissionRule = ({ metadata }) =>
  metadata.labels['example.com/denied'] === 'true'
    ? { policy: 'no-denied', message: 'example.com/denied must not be true' }
    : undefined

/** The server as something to hold the facts against, its time passed by its clock. */
export function factTarget(
  server: ArgoServer,
  runtime: ManualRuntime,
  more: Partial<ArgoTarget> = {},
): Promise<ArgoTarget> {
  return argoTarget({
    url: server.url,
    namespace: server.namespace,
    token: server.token,
    template: 'test-workflow-template',
    clusterTemplate: 'test-cluster-workflow-template',
    cronWorkflow: 'test-cron-workflow',
    prefix: 'facts',
    denied: 'example.com/denied=true',
    pass: (ms) => runtime.advance(ms),
    ...more,
  })
}
