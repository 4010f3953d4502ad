import type { ArgoOperation } from './operation.js'
import { routeOf } from './operation.js'

/** One request with its whole body. */
export interface ArgoRequest {
  /** Its number on its endpoint, from 0. */
  readonly index: number
  readonly operation: ArgoOperation
  readonly method: string
  /** The path, still encoded. */
  readonly path: string
  /** The namespace in the path, or empty. */
  readonly namespace: string
  /**
   * The name in the path (of a workflow, a template, or the uid of an archived workflow). Of a submit or
   * create the name that the workflow is to have, as far as the body gives one.
   */
  readonly name: string
  readonly query: URLSearchParams
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A request before it is parsed. */
export interface RawRequest {
  readonly index: number
  readonly method: string
  /** Path and query, still encoded. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Parses the target of a request. */
export function parseRequest(raw: RawRequest): ArgoRequest {
  const { index, method, target, headers, body } = raw
  const cut = target.indexOf('?')
  const path = cut < 0 ? target : target.slice(0, cut)
  const query = new URLSearchParams(cut < 0 ? '' : target.slice(cut + 1))
  const route = routeOf(method, path)
  const name = route.name === '' ? nameInBody(route.operation, body) : route.name
  return { index, method, path, query, headers, body, ...route, name }
}

/** By text, not by parsing: a body may be broken, and is parsed once, later. */
function nameInBody(operation: ArgoOperation, body: string): string {
  if (operation !== 'SubmitWorkflow' && operation !== 'CreateWorkflow') return ''
  const owner = operation === 'SubmitWorkflow' ? 'submitOptions' : 'metadata'
  const from = body.indexOf(`"${owner}"`)
  return from < 0 ? '' : (/"name"\s*:\s*"([^"\\]*)"/.exec(body.slice(from))?.[1] ?? '')
}
