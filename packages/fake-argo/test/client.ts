import { assertShape, shapeOf } from './shapes.ts'
import type { ArgoServer } from '../src/index.ts'

/** An answer, its body read. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
  readonly text: string
}

export type Client = ReturnType<typeof clientOf>

/** A bare client of a server; it holds every answer against the API's description. */
export function clientOf(server: ArgoServer, base = server.url) {
  async function send(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const answer = await fetch(`${base}${path}`, {
      method,
      redirect: 'manual',
      headers: { authorization: `Bearer ${server.token}`, ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await answer.text()
    const isJson = answer.headers.get('content-type') === 'application/json'
    const json: Record<string, unknown> = isJson ? JSON.parse(text) : {}
    const shape = answer.ok ? shapeOf(method, path) : 'Error'
    // Whatever a test looks at, the whole answer must be what the API's own description says.
    if (isJson && shape !== undefined && !path.startsWith('/api/v1/workflow-events/'))
      assertShape(shape, json)
    return { status: answer.status, headers: answer.headers, text, body: json }
  }
  const { namespace } = server
  return {
    send,
    submit: (name: string, parameters: string[] = ['item=1'], options: object = {}, more: object = {}) =>
      send('POST', `/api/v1/workflows/${namespace}/submit`, {
        resourceKind: 'WorkflowTemplate',
        resourceName: 'test-workflow-template',
        submitOptions: { name, parameters, ...options },
        ...more,
      }),
    create: (workflow: object, more: object = {}) =>
      send('POST', `/api/v1/workflows/${namespace}`, { workflow, ...more }),
    get: (name: string, query: Record<string, string> = {}) =>
      send('GET', `/api/v1/workflows/${namespace}/${name}?${new URLSearchParams(query).toString()}`),
    list: (query: Record<string, string> = {}) =>
      send('GET', `/api/v1/workflows/${namespace}?${new URLSearchParams(query).toString()}`),
    act: (name: string, verb: string, body: object = {}) =>
      send('PUT', `/api/v1/workflows/${namespace}/${name}/${verb}`, body),
    remove: (name: string) => send('DELETE', `/api/v1/workflows/${namespace}/${name}`),
  }
}

/** What is at a path in a JSON value. */
export function at(value: unknown, ...path: string[]): unknown {
  let found = value
  for (const key of path)
    found = typeof found === 'object' && found !== null ? Reflect.get(found, key) : undefined
  return found
}
