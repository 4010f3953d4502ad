import { ArgoRefusal } from '../server/answer.js'
import type { ArgoWorkflow } from '../argo-workflow.js'
import { FieldCleaner } from '../operations/field-cleaner.js'
import { parseLabelSelector, selects } from '../operations/label-selector.js'
import { instanceRequirement } from '../operations/list-operations.js'
import {
  missing,
  reachKubernetes,
  workflowOf,
  type OperationContext,
} from '../operations/operation-context.js'

/** The parameters of a watch. */
export interface WatchQuery {
  readonly matches: (workflow: ArgoWorkflow) => boolean
  /** `0`: from all that exist. */
  readonly revision: number
  readonly timeoutMs: number | undefined
  readonly bookmarks: boolean
  /** Server-sent events; otherwise a line of JSON each. */
  readonly events: boolean
  readonly fields: FieldCleaner
  /** Whether cleaning brings back an empty creationTimestamp. */
  readonly zeroTimestamps: boolean
}

/**
 * Reads the query of a watch, with Kubernetes' own field selectors.
 *
 * @throws ArgoRefusal
 */
export function readWatchQuery(context: OperationContext): WatchQuery {
  const { parts, request, caller } = context
  const { query, namespace } = request
  const selector = [
    ...parseLabelSelector(query.get('listOptions.labelSelector') ?? ''),
    instanceRequirement(parts.instanceId),
  ]
  const names = namesOf(query.get('listOptions.fieldSelector') ?? '')
  const name = resolvedName(context, names.get('metadata.name'))
  const onlyNamespace = names.get('metadata.namespace')
  reachKubernetes(context)
  parts.access.demand(caller, { verb: 'watch', resource: 'workflows', namespace })
  const timeout = Number(query.get('listOptions.timeoutSeconds') ?? '')
  return {
    matches: ({ metadata }) =>
      (namespace === '' || metadata.namespace === namespace) &&
      (onlyNamespace === undefined || metadata.namespace === onlyNamespace) &&
      (name === undefined || metadata.name === name) &&
      selects(selector, metadata.labels),
    revision: revisionOf(query.get('listOptions.resourceVersion') ?? ''),
    timeoutMs: timeout > 0 ? timeout * 1000 : undefined,
    bookmarks: query.get('listOptions.allowWatchBookmarks') === 'true',
    events: request.headers['accept'] === 'text/event-stream',
    fields: FieldCleaner.of(query.get('fields') ?? ''),
    zeroTimestamps: parts.rules.zeroTimestamps,
  }
}

/** The server looks the one workflow up first. */
function resolvedName(context: OperationContext, name: string | undefined): string | undefined {
  if (name === undefined) return undefined
  const { request } = context
  const found = workflowOf({ ...context, request: { ...request, name } })
  if (found.metadata.name === '') throw new ArgoRefusal(5, missing(name))
  return found.metadata.name
}

function namesOf(fieldSelector: string): Map<string, string> {
  const names = new Map<string, string>()
  for (const part of fieldSelector.split(',')) {
    if (part === '') continue
    const [, field = '', value = ''] = /^(metadata\.name|metadata\.namespace)==?(.*)$/.exec(part) ?? []
    if (field === '')
      throw new ArgoRefusal(3, `field label not supported: ${part.split(/[!=<>]/, 1)[0] ?? part}`)
    names.set(field, value)
  }
  return names
}

function revisionOf(text: string): number {
  if (text === '') return 0
  const revision = Number(text)
  if (!Number.isInteger(revision) || revision < 0) {
    throw new ArgoRefusal(
      3,
      `resourceVersion: Invalid value: "${text}": strconv.ParseUint: parsing "${text}": invalid syntax`,
    )
  }
  return revision
}
