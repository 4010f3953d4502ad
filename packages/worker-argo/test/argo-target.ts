import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { JobRef, Worker } from '@sluice/core'
import { wrapWorker, type WorkerHarness } from '@sluice/testkit'
import { startArgoServer } from '@sluice/fake-argo'
import { openWorker, type ArgoWorker, type ArgoWorkerOptions } from '../src/index.js'
import { LABELS, nameJob, queueLabel, annotationsOfJob, labelsOfJob } from '../src/jobs/job-name.js'
import { eventually } from './argo-bench.js'

/** An Argo Server to be worked with through its REST API alone: a real one, or else the fake. */
export interface ArgoTarget {
  readonly title: string
  readonly url: string
  readonly namespace: string
  readonly token: string
  close(): Promise<void>
}

/**
 * The real one that the environment names, with `resources/test_workflow_template.yaml` in its namespace;
 * else the fake.
 */
export async function openTarget(): Promise<ArgoTarget> {
  const { SLUICE_TEST_ARGO_URL: url, SLUICE_TEST_ARGO_NAMESPACE: namespace = 'argo' } = process.env
  const { SLUICE_TEST_ARGO_TOKEN: token = '' } = process.env
  if (url !== undefined)
    return { title: `Argo Workflows at ${url}`, url, namespace, token, close: async () => undefined }
  const server = await startArgoServer({ controller: { reconcileDelayMs: 5 } })
  const title = 'Argo Workflows by its REST API alone'
  return {
    title,
    url: server.url,
    namespace: server.namespace,
    token: server.token,
    close: () => server.close(),
  }
}

/** A busy controller takes 15 s for a cancel, and longer until its lists show it. */
const PATIENCE_MS = 120_000

/** What the contract needs, by requests that an operator could send. */
export class TargetHarness implements WorkerHarness {
  readonly hasJobUids = true
  readonly endsWithinMs = PATIENCE_MS
  /** They have no pod: a step that waits is ended manually. */
  readonly writesNothing = 'the workflows of this place only wait'
  readonly #target: ArgoTarget
  /** A real cluster remembers: each case has queues that were never there before. */
  readonly #run = randomUUID()
  readonly #names = new Set<string>()
  readonly #opened: ArgoWorker[] = []
  readonly #ways: ObstructedWay[] = []
  /** Of each workflow that waits for a lock, the one that has it. */
  readonly #holders = new Map<string, string>()

  constructor(target: ArgoTarget) {
    this.#target = target
  }

  open(name = 'contract'): Promise<Worker> {
    return this.#open(name)
  }

  openElsewhere(): Promise<Worker> {
    return this.#open('contract', { template: 'test-workflow-template' })
  }

  body() {
    return { item: 'waits', seconds: '3600' }
  }

  refusedItem() {
    return { id: 'a template', body: { item: '{{workflow.name}}' } }
  }

  /** The workflow only waits; its step is ended manually. */
  async finish(job: JobRef, how: 'SUCCESS' | 'FAIL'): Promise<void> {
    const [name = '', queue = ''] = await this.#find(job)
    const path = `workflows/${this.#target.namespace}/${name}`
    await this.#runs(name)
    const phase = how === 'SUCCESS' ? 'Succeeded' : 'Failed'
    await this.#ask('PUT', `${path}/set`, { nodeFieldSelector: `id=${name}`, phase, message: how })
    // The lists lag behind; a poll goes by them.
    const isListed = async () => {
      const ended = await this.#list(`sluice/queue=${queueLabel(queue)},workflows.argoproj.io/completed=true`)
      return ended.some(({ metadata }) => metadata.name === name)
    }
    await eventually('the lists show that it has ended', isListed, PATIENCE_MS)
  }

  async starts(job: JobRef): Promise<number> {
    return (await this.#find(job)).length / 2
  }

  readonly overrideName = 'seconds'

  async startedWith(job: JobRef): Promise<string | undefined> {
    const [name = ''] = await this.#find(job)
    const found = await this.#ask('GET', `workflows/${this.#target.namespace}/${name}`)
    return found?.spec?.arguments?.parameters?.find((one) => one.name === this.overrideName)?.value
  }

  /** It is made as the worker would, and waits for a lock of this name that another workflow has. */
  async sendPending(worker: Worker, job: JobRef, message: string): Promise<void> {
    const queue = `${worker.name} ${this.#run}`
    const named = nameJob(queue, job)
    const { workflow: name } = named
    const [labels, annotations] = [labelsOfJob(queue, named), annotationsOfJob(queue, named)]
    const holder = `${name.slice(0, 50)}-lock`
    const ofQueue = { [LABELS.queue]: queueLabel(queue) }
    await this.#create(lockedBy(message, { metadata: { name: holder, labels: ofQueue } }))
    await this.#runs(holder)
    await this.#create(lockedBy(message, { metadata: { name, labels, annotations } }))
    this.#holders.set(name, holder)
  }

  async begin(job: JobRef): Promise<void> {
    const [name = ''] = await this.#find(job)
    const path = `workflows/${this.#target.namespace}`
    await this.#ask('DELETE', `${path}/${this.#holders.get(name) ?? ''}`)
    await this.#runs(name)
  }

  /** Lists fail on their way; all else gets through. */
  async openObstructed() {
    const way = await ObstructedWay.open(this.#target.url)
    this.#ways.push(way)
    const worker = await this.#open('contract', { baseUrl: way.url })
    return {
      worker,
      obstruct: async () => void (way.failsLists = true),
      restore: async () => void (way.failsLists = false),
    }
  }

  openUnreachable(): Promise<Worker> {
    return this.#open('contract', { baseUrl: 'http://127.0.0.1:9' })
  }

  openDenied(): Promise<Worker> {
    return this.#open('contract', { token: 'not.the.token' })
  }

  async close(): Promise<void> {
    await Promise.all(this.#opened.map((worker) => worker.close()))
    for (const name of this.#names) {
      for (const { metadata } of await this.#list(`sluice/queue=${queueLabel(name)}`)) {
        await this.#ask('DELETE', `workflows/${this.#target.namespace}/${metadata.name}`)
      }
    }
    await Promise.all(this.#ways.map((way) => way.close()))
    await this.#target.close()
  }

  async #create(workflow: object): Promise<void> {
    await this.#ask('POST', `workflows/${this.#target.namespace}`, { workflow })
  }

  async #runs(name: string): Promise<void> {
    const path = `workflows/${this.#target.namespace}/${name}`
    const runs = async () => (await this.#ask('GET', path))?.status?.phase === 'Running'
    await eventually('it runs', runs, PATIENCE_MS)
  }

  async #open(name: string, more: Partial<ArgoWorkerOptions> = {}): Promise<Worker> {
    const { url: baseUrl, namespace, token } = this.#target
    const queue = `${name} ${this.#run}`
    this.#names.add(queue)
    const options = { name: queue, baseUrl, namespace, token, template: 'test-workflow-template-podless' }
    const inner = await openWorker({ ...options, insecureSkipVerify: baseUrl.startsWith('https:'), ...more })
    this.#opened.push(inner)
    return wrapWorker(inner, {
      name,
      sendJob: (id, body, job) =>
        inner.sendJob(id, body, { ...job, queue: job.queue === name ? queue : job.queue }),
    })
  }

  /** The names of a job's workflows, each with its queue. */
  async #find(job: JobRef): Promise<readonly string[]> {
    const found: string[] = []
    for (const queue of this.#names) {
      const { workflow } = nameJob(queue, job)
      const there = await this.#ask('GET', `workflows/${this.#target.namespace}/${workflow}`)
      if (there !== undefined) found.push(workflow, queue)
    }
    return found
  }

  async #list(labelSelector: string): Promise<readonly Shown[]> {
    const query = new URLSearchParams({ 'listOptions.labelSelector': labelSelector })
    const list = await this.#ask('GET', `workflows/${this.#target.namespace}?${query.toString()}`)
    return list?.items ?? []
  }

  /** The answer; `undefined` when there is no such thing. */
  async #ask(method: string, path: string, body?: object): Promise<Shown | undefined> {
    const answer = await fetch(`${this.#target.url}/api/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#target.token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    if (answer.status === 404) return undefined
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is what Argo answers
    return JSON.parse(text) as Shown
  }
}

/** A workflow that only waits, once it has a lock. */
function lockedBy(lock: string, { metadata }: { readonly metadata: object }): object {
  const parameters = [
    { name: 'item', value: 'waits' },
    { name: 'seconds', value: '3600' },
  ]
  const workflowTemplateRef = { name: 'test-workflow-template-podless' }
  const synchronization = { mutexes: [{ name: lock }] }
  return { metadata, spec: { workflowTemplateRef, arguments: { parameters }, synchronization } }
}

/** What stands between a worker and a server that can't be told to fail. */
class ObstructedWay {
  failsLists = false
  readonly #target: string
  readonly #server: Server

  private constructor(target: string) {
    this.#target = target
    this.#server = createServer((request, reply) => {
      this.#pass(request, reply).catch(() => reply.destroy())
    })
  }

  static async open(target: string): Promise<ObstructedWay> {
    const way = new ObstructedWay(target)
    way.#server.listen(0, '127.0.0.1')
    await once(way.#server, 'listening')
    return way
  }

  get url(): string {
    const address = this.#server.address()
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #pass(request: IncomingMessage, reply: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', headers } = request
    if (this.failsLists && method === 'GET' && /^\/api\/v1\/workflows\/[^/?]+(?:\?|$)/u.test(url)) {
      reply.writeHead(503, { 'content-type': 'application/json' })
      reply.end(JSON.stringify({ code: 14, message: 'the server is currently unable to handle the request' }))
      return
    }
    const body = Buffer.concat(await request.toArray())
    const stop = new AbortController()
    reply.on('close', () => stop.abort())
    const { authorization = '', accept = '*/*' } = headers
    const answer = await fetch(`${this.#target}${url}`, {
      method,
      headers: { authorization, accept },
      signal: stop.signal,
      ...(body.length === 0 ? {} : { body }),
    })
    reply.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
    for await (const chunk of answer.body ?? []) reply.write(chunk)
    reply.end()
  }
}

/** The part of an answer that is looked at. */
interface Shown {
  readonly metadata: { readonly name: string }
  readonly status?: { readonly phase?: string }
  readonly spec?: {
    readonly arguments?: {
      readonly parameters?: readonly { readonly name: string; readonly value?: string }[]
    }
  }
  readonly items?: readonly Shown[] | null
}
