// So much of a Kubernetes API server as the worker beside it uses: Jobs that are created, read, listed by a
// label and deleted. Nothing runs.
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'

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

/** What becomes of a request; `drop-answer`: it takes effect, and its answer is lost. */
export type Trouble = 'drop-request' | 'drop-answer' | { readonly status: number; readonly message: string }

export interface FakeRequest {
  readonly method: string
  readonly token: string
  readonly body: string
}

export interface FakeKubernetes {
  readonly url: string
  readonly token: string
  readonly jobs: Map<string, FakeJob>
  /** How many Jobs of each name were created. */
  readonly created: Map<string, number>
  /** Asked at each request. */
  onRequest: (request: FakeRequest) => Trouble | undefined
  close(): Promise<void>
}

const JOBS = /^\/apis\/batch\/v1\/namespaces\/[\w-]+\/jobs(?:\/([\w-]+))?$/u
/** A list has no longer pages, whatever the limit. */
const PAGE = 10

export async function startFakeKubernetes(): Promise<FakeKubernetes> {
  const server = createServer(async (request, response) => {
    const { method = '', url = '', headers } = request
    const body = await bodyOf(request)
    const token = headers.authorization?.replace('Bearer ', '') ?? ''
    const trouble = fake.onRequest({ method, token, body })
    if (trouble === 'drop-request') return void request.socket.destroy()
    if (typeof trouble === 'object') return send(trouble.status, { kind: 'Status', message: trouble.message })
    const { status, answer } = answerTo(method, new URL(url, fake.url), body)
    if (trouble === 'drop-answer') return void request.socket.destroy()
    return send(status, answer)

    function send(code: number, content: object): void {
      response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(content))
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const fake: FakeKubernetes = {
    url: `http://127.0.0.1:${port}`,
    token: 'fake-token',
    jobs: new Map(),
    created: new Map(),
    onRequest: () => undefined,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return fake

  function answerTo(method: string, url: URL, body: string): { status: number; answer: object } {
    const [, name] = JOBS.exec(url.pathname) ?? []
    if (method === 'POST') return create(JSON.parse(body))
    if (name === undefined) return { status: 200, answer: list(url.searchParams) }
    const job = fake.jobs.get(name)
    if (job === undefined)
      return { status: 404, answer: { kind: 'Status', message: `jobs "${name}" not found` } }
    if (method === 'DELETE') fake.jobs.delete(name)
    return { status: 200, answer: job }
  }

  function create(wanted: Pick<FakeJob, 'kind' | 'metadata'>): { status: number; answer: object } {
    const { name } = wanted.metadata
    if (fake.jobs.has(name)) {
      return { status: 409, answer: { kind: 'Status', message: `jobs "${name}" already exists` } }
    }
    const made = { uid: randomUUID(), creationTimestamp: `${new Date().toISOString().slice(0, 19)}Z` }
    const job: FakeJob = { ...wanted, metadata: { ...wanted.metadata, ...made }, status: {} }
    fake.jobs.set(name, job)
    fake.created.set(name, (fake.created.get(name) ?? 0) + 1)
    return { status: 201, answer: job }
  }

  function list(query: URLSearchParams): object {
    const [label = '', value] = (query.get('labelSelector') ?? '').split('=')
    const all = [...fake.jobs.values()].filter(
      ({ metadata }) => label === '' || metadata.labels[label] === value,
    )
    const from = Number(query.get('continue') ?? 0)
    const next = from + PAGE < all.length ? { continue: String(from + PAGE) } : {}
    return { kind: 'JobList', metadata: next, items: all.slice(from, from + PAGE) }
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  return text
}
