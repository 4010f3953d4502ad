// As much of a Kubernetes API server as the worker beside it uses: Jobs are created, read, listed by a label
// and deleted. Nothing runs.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { systemRuntime } from '@sluice/core/backend'

export interface FakeJob {
  readonly kind: 'Job'
  readonly metadata: {
    readonly name: string
    readonly uid: string
    readonly creationTimestamp: string
    readonly labels: Readonly<Record<string, string>>
    readonly annotations: Readonly<Record<string, string>>
  }
  status: { conditions?: readonly { type: string; status: 'True'; reason?: string; message?: string }[] }
}

/** The fault of a request; `drop-answer`: it takes effect, and its answer is lost. */
export type Trouble = 'drop-request' | 'drop-answer' | { readonly status: number; readonly message: string }

export interface FakeRequest {
  readonly method: string
  readonly token: string
  readonly body: string
}

interface Answer {
  readonly status: number
  readonly content: object
}

const JOBS = /^\/apis\/batch\/v1\/namespaces\/[\w-]+\/jobs(?:\/([\w-]+))?$/u
/** Pages are no longer, whatever the limit. */
const PAGE = 10

export class FakeKubernetes {
  readonly token = 'fake-token'
  readonly jobs = new Map<string, FakeJob>()
  /** How many Jobs of each name were created. */
  readonly created = new Map<string, number>()
  /** Called with each request; returns its fault, if any. */
  onRequest: (request: FakeRequest) => Trouble | undefined = () => undefined
  readonly #server: Server

  constructor(server: Server) {
    this.#server = server
  }

  static async start(): Promise<FakeKubernetes> {
    // A rejection would end the test's process, and name the mistake.
    const server = createServer((request, response) => void fake.#answer(request, response))
    const fake = new FakeKubernetes(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return fake
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

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = await this.#serve(request)
    if (answer === undefined) {
      request.socket.destroy()
      return
    }
    response.writeHead(answer.status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(answer.content))
  }

  async #serve(request: IncomingMessage): Promise<Answer | undefined> {
    const { method = '', url = '', headers } = request
    let body = ''
    for await (const chunk of request.setEncoding('utf8')) body += chunk
    const token = headers.authorization?.replace('Bearer ', '') ?? ''
    const trouble = this.onRequest({ method, token, body })
    if (trouble === 'drop-request') return undefined
    if (typeof trouble === 'object') return refusal(trouble.status, trouble.message)
    const answer = this.#answerTo(method, new URL(url, this.url), body)
    return trouble === 'drop-answer' ? undefined : answer
  }

  #answerTo(method: string, { pathname, searchParams }: URL, body: string): Answer {
    const [, name] = JOBS.exec(pathname) ?? []
    if (method === 'POST') return this.#create(JSON.parse(body))
    if (name === undefined) return { status: 200, content: this.#list(searchParams) }
    const job = this.jobs.get(name)
    if (job === undefined) return refusal(404, `jobs "${name}" not found`)
    if (method === 'DELETE') this.jobs.delete(name)
    return { status: 200, content: job }
  }

  #create(wanted: Pick<FakeJob, 'kind' | 'metadata'>): Answer {
    const { name } = wanted.metadata
    if (this.jobs.has(name)) return refusal(409, `jobs "${name}" already exists`)
    const creationTimestamp = `${new Date(systemRuntime.now()).toISOString().slice(0, 19)}Z`
    const metadata = { ...wanted.metadata, uid: systemRuntime.newId(), creationTimestamp }
    const job: FakeJob = { ...wanted, metadata, status: {} }
    this.jobs.set(name, job)
    this.created.set(name, (this.created.get(name) ?? 0) + 1)
    return { status: 201, content: job }
  }

  #list(query: URLSearchParams): object {
    const [label = '', value] = (query.get('labelSelector') ?? '').split('=')
    const all = [...this.jobs.values()].filter(
      ({ metadata: { labels } }) => !label || labels[label] === value,
    )
    const from = Number(query.get('continue') ?? 0)
    const next = from + PAGE < all.length ? { continue: String(from + PAGE) } : {}
    return { kind: 'JobList', metadata: next, items: all.slice(from, from + PAGE) }
  }
}

function refusal(status: number, message: string): Answer {
  return { status, content: { kind: 'Status', message } }
}
