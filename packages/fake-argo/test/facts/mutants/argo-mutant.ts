import type {
  ArgoAnswer,
  ArgoFault,
  ArgoOperation,
  ArgoRequest,
  ArgoServerOptions,
  ArgoTarget,
} from '../../../src/index.ts'

/** A server that is broken on purpose: the proof that the facts which it breaks can fail. */
export interface ArgoMutant {
  /** What is wrong with it. */
  readonly title: string
  /**
   * The facts that must catch it, each with words of the check that does: none is to fail for another reason.
   */
  readonly breaks: Readonly<Record<string, string>>
  readonly options?: ArgoServerOptions
  /** What is said of it that isn't so. */
  readonly target?: Partial<ArgoTarget>
  /** What it does otherwise; called once for each server. */
  readonly start?: () => (request: ArgoRequest) => ArgoFault | undefined
}

type Json = Record<string, unknown>

/** One that understands some requests otherwise. */
export function misreading(
  operation: ArgoOperation,
  request: (request: ArgoRequest) => ArgoRequest,
): Pick<ArgoMutant, 'start'> {
  return { start: () => (came) => (came.operation === operation ? { do: 'rewrite', request } : undefined) }
}

/** The same for what the body says. */
export function misreadingBody(
  operation: ArgoOperation,
  change: (body: Json) => Json,
): Pick<ArgoMutant, 'start'> {
  return misreading(operation, (request) => withBody(request, change))
}

/** The same request with another body. */
export function withBody(request: ArgoRequest, change: (body: Json) => Json): ArgoRequest {
  return { ...request, body: changedText(request.body, change) }
}

/** The same for what the query says: `undefined` takes a key away. */
export function misreadingQuery(
  operation: ArgoOperation,
  change: (query: URLSearchParams) => Readonly<Record<string, string | undefined>>,
): Pick<ArgoMutant, 'start'> {
  return misreading(operation, (request) => {
    const query = new URLSearchParams(request.query)
    for (const [key, value] of Object.entries(change(query))) {
      if (value === undefined) query.delete(key)
      else query.set(key, value)
    }
    return { ...request, query }
  })
}

/** One that answers otherwise, to some operations. */
export function answering(
  operations: ArgoOperation | readonly ArgoOperation[],
  answer: (answer: ArgoAnswer, request: ArgoRequest) => ArgoAnswer,
): Pick<ArgoMutant, 'start'> {
  return {
    start: () => (came) =>
      [operations].flat().includes(came.operation) ? { do: 'rewrite', answer } : undefined,
  }
}

/** The same for what is in its successes. */
export function answeringBody(
  operations: ArgoOperation | readonly ArgoOperation[],
  change: (body: Json) => Json,
): Pick<ArgoMutant, 'start'> {
  return answering(operations, (answer) =>
    answer.status === 200 ? { ...answer, body: changedText(answer.body, change) } : answer,
  )
}

/** The same for refusals in some words: another status and code, the words kept. */
export function refusing(
  operations: ArgoOperation | readonly ArgoOperation[],
  words: string,
  [status, code]: readonly [number, number],
): Pick<ArgoMutant, 'start'> {
  return answering(operations, (answer) =>
    answer.status >= 400 && answer.body.includes(words)
      ? { ...answer, status, body: changedText(answer.body, (body) => ({ ...body, code })) }
      : answer,
  )
}

/** The same for refusals in some words: it doesn't refuse. */
export function permitting(
  operations: ArgoOperation | readonly ArgoOperation[],
  words: string,
): Pick<ArgoMutant, 'start'> {
  return answering(operations, (answer) =>
    answer.status >= 400 && answer.body.includes(words) ? { ...answer, status: 200, body: '{}' } : answer,
  )
}

function changedText(text: string, change: (body: Json) => Json): string {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all bodies of the API are objects
  return JSON.stringify(change(JSON.parse(text) as Json))
}

/** An object within an object; empty when there is none. */
export function within(value: unknown, key: string): Json {
  const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined
  return typeof found === 'object' && found !== null ? { ...found } : {}
}

/** The same body, some fields of an object in it changed. */
export function changed(body: Json, key: string, fields: Json): Json {
  return { ...body, [key]: { ...within(body, key), ...fields } }
}

/** The same workflow, some of its labels changed; `undefined` takes one away. */
export function relabelled(workflow: Json, labels: Json): Json {
  const metadata = within(workflow, 'metadata')
  return changed(workflow, 'metadata', { labels: { ...within(metadata, 'labels'), ...labels } })
}
