import { ArgoRefusal } from '../server/answer.js'
import type { ArgoWorkflow } from '../argo-workflow.js'
import {
  missing,
  reachKubernetes,
  workflowOf,
  type OperationContext,
} from '../operations/operation-context.js'
import type { PodLine } from '../pods/pod-logs.js'

/** The parameters of `GET …/workflows/{namespace}/{name}/log`. */
export interface LogQuery {
  readonly workflow: ArgoWorkflow
  readonly follow: boolean
  /** Of each container; `undefined`: all. */
  readonly tailLines: number | undefined
  /** Each line begins with its instant. */
  readonly timestamps: boolean
  readonly matches: (line: PodLine) => boolean
  readonly events: boolean
}

/**
 * The server looks the workflow up, the archive included, and then again in Kubernetes. It watches and lists
 * the pods as the caller; a missing permission for logs is only in its own log, and the caller gets an empty
 * one.
 *
 * @throws ArgoRefusal
 */
export function readLogQuery(context: OperationContext): LogQuery {
  const { parts, request, caller } = context
  const { query, namespace, name } = request
  const option = (key: string): string => query.get(`logOptions.${key}`) ?? ''
  const follow = option('follow') === 'true'
  const workflow = workflowOf(context)
  reachKubernetes(context)
  if (parts.cluster.get(namespace, workflow.metadata.name) !== workflow)
    throw new ArgoRefusal(5, missing(name))
  const grep = patternOf(query.get('grep') ?? '')
  for (const verb of ['watch', 'list'])
    parts.access.demand(caller, { verb: verb, resource: 'pods', namespace })
  if (follow) parts.access.demand(caller, { verb: 'watch', resource: 'workflows', namespace })
  const pod = query.get('podName') ?? ''
  const container = option('container')
  const isReadable = parts.access.allows('get', 'pods/log')
  return {
    workflow,
    follow,
    tailLines: wholeNumber(option('tailLines')),
    timestamps: option('timestamps') === 'true',
    // A pod has several containers: without a name Kubernetes refuses, which the caller does not see either.
    matches: (line) =>
      isReadable && line.container === container && (pod === '' || line.pod === pod) && grep.test(line.text),
    events: request.headers['accept'] === 'text/event-stream',
  }
}

function patternOf(grep: string): RegExp {
  try {
    return new RegExp(grep, 'u')
  } catch {
    // In Go's words.
    throw new ArgoRefusal(13, `failed to compile "${grep}": error parsing regexp`)
  }
}

function wholeNumber(text: string): number | undefined {
  if (text === '') return undefined
  if (/^[+-]?\d{1,18}$/u.test(text)) return Number(text)
  const why = `strconv.ParseInt: parsing "${text}": invalid syntax`
  throw new ArgoRefusal(3, `parsing field "tailLines": ${why}`)
}
