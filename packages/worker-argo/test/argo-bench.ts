import { setTimeout as wait } from 'node:timers/promises'
import type { Runtime, JobRef } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import {
  startArgoServer,
  type ArgoEndpoint,
  type ArgoEndpointOptions,
  type ArgoServer,
  type ArgoServerOptions,
} from '@sluice/fake-argo'
import { openWorker, type ArgoWorker, type ArgoWorkerOptions } from '../src/index.js'
import { nameJob } from '../src/jobs/job-name.js'

/** A fake Argo Server, and workers on it. */
export class ArgoBench {
  readonly server: ArgoServer
  readonly #opened: ArgoWorker[] = []

  private constructor(server: ArgoServer) {
    this.server = server
  }

  static async start(options: ArgoServerOptions = {}): Promise<ArgoBench> {
    return new ArgoBench(await startArgoServer(options))
  }

  /** The options of a worker on this server whose items have `item`, `mode` and `seconds` in their bodies. */
  options(more: Partial<ArgoWorkerOptions> = {}): ArgoWorkerOptions {
    const { url, namespace, token } = this.server
    return { name: 'tiles', baseUrl: url, namespace, template: 'test-workflow-template', token, ...more }
  }

  async open(more: Partial<ArgoWorkerOptions> = {}): Promise<ArgoWorker> {
    const worker = await openWorker(this.options(more))
    this.#opened.push(worker)
    return worker
  }

  addEndpoint(options: ArgoEndpointOptions): Promise<ArgoEndpoint> {
    return this.server.addEndpoint(options)
  }

  /** The name of a job's workflow. */
  nameOf(job: JobRef, queue = 'tiles'): string {
    return nameJob(queue, job).workflow
  }

  /** How many workflows of a job there are, whatever their names. */
  countOf(job: JobRef, queue = 'tiles'): number {
    return this.server.workflows.all(`sluice/job=${nameJob(queue, job).key}`).length
  }

  /** What a workflow was given for a parameter of its template. */
  parameterOf(workflow: string, parameter: string): string | undefined {
    const spec = this.server.workflows.get(workflow)?.spec
    const { arguments: given }: GivenSpec = JSON.parse(JSON.stringify(spec ?? {}))
    return given?.parameters?.find(({ name }) => name === parameter)?.value
  }

  async close(): Promise<void> {
    await Promise.all(this.#opened.map((worker) => worker.close()))
    await this.server.close()
  }
}

interface GivenSpec {
  readonly arguments?: { readonly parameters?: readonly { readonly name: string; readonly value?: string }[] }
}

/** The job of an item's attempt. */
export function jobOf(id: string, attempt = 1): JobRef {
  return { id, uid: `uid-of-${id}`, attempt }
}

/** Sends a job. */
export function send(
  worker: ArgoWorker,
  job: JobRef,
  body: Record<string, string | number> = {},
): Promise<void> {
  const { uid, attempt } = job
  return worker.sendJob(job.id, { item: job.id, ...body }, { uid, attempt, queue: worker.name })
}

const SPEED = 50

/** A clock that goes fifty times as fast: what is put off for a minute is done in a second or so. */
export const fastClock: Runtime = {
  ...systemRuntime,
  now: () => Math.round(performance.timeOrigin + performance.now() * SPEED),
  monotonicMs: () => performance.now() * SPEED,
  // It rejects when it is aborted, and for nothing else.
  sleep: (ms, signal) => wait(ms / SPEED, undefined, { signal }).catch(() => undefined),
}

const BOUND_MS = 20_000

/** Waits until it holds: for what no event reports. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  boundMs = BOUND_MS,
): Promise<void> {
  const endMs = performance.now() + boundMs
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`it did not come to pass: ${what}`)
    await wait(2)
  }
}
