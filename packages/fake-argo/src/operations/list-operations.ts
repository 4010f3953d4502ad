import type { JsonValue } from '@sluice/core'
import { ArgoRefusal } from '../server/answer.js'
import { archivedRow } from '../cluster/archive.js'
import { asObject, isObject, LABEL_INSTANCE, type ArgoWorkflow, type JsonObject } from '../argo-workflow.js'
import { FieldCleaner, withZeroFields } from './field-cleaner.js'
import type { Requirement } from './label-selector.js'
import { readListQuery, type ListQuery } from './list-query.js'
import { reachKubernetes, type OperationContext } from './operation-context.js'
import { byPage } from '../cluster/workflow-index.js'
import { shown } from '../cluster/workflow-view.js'

/** `GET …/workflows/{namespace}`: live ones out of the replica's cache, then archived ones. */
export function listWorkflows(context: OperationContext): JsonObject {
  const { parts, request, replica } = context
  const query = withInstance(readListQuery(request.query, request.namespace, parts.rules), parts.instanceId)
  // Every list asks Kubernetes whether it is allowed, though it then comes out of the cache.
  reachKubernetes(context)
  assertMayList(context, query.namespace)
  const index = replica.listed()
  const live = index?.select(query.selector, query).filter(replica.shows()) ?? []
  const archived = parts.archive.enabled ? parts.archive.select(query.selector, query.keeps) : []
  const page = pageOf(live, archived, query)
  const metadata: JsonObject = {
    ...(index === undefined ? {} : { resourceVersion: String(index.revision) }),
    ...continuation(
      { query, live: live.length, archived: archived.length, page: page.length },
      parts.rules.continueBug,
    ),
  }
  const items = page.length === 0 ? null : page.map(({ view }) => view)
  const fields = FieldCleaner.of(request.query.get('fields') ?? '')
  return cleanedList({ metadata, items }, fields, parts.rules.zeroTimestamps)
}

/** A server without an instance id shows workflows without one. */
function withInstance(query: ListQuery, instanceId: string): ListQuery {
  return { ...query, selector: [...query.selector, instanceRequirement(instanceId)] }
}

/** What every list and watch is restricted to. */
export function instanceRequirement(instanceId: string): Requirement {
  return instanceId === ''
    ? { key: LABEL_INSTANCE, operator: 'absent', values: [] }
    : { key: LABEL_INSTANCE, operator: 'in', values: [instanceId] }
}

function assertMayList({ parts, caller }: OperationContext, namespace: string): void {
  parts.access.review(caller)
  if (parts.access.allows('list', 'workflows')) return
  throw new ArgoRefusal(
    7,
    `Permission denied, you are not allowed to list workflows in namespace "${namespace}". Maybe you want to specify a namespace with query parameter \`.namespace=${namespace}\`?`,
  )
}

interface Row {
  readonly workflow: ArgoWorkflow
  readonly view: JsonObject
}

/** Offsets count live rows first, then archived ones; the page is then sorted. */
function pageOf(
  live: readonly ArgoWorkflow[],
  archived: readonly ArgoWorkflow[],
  { offset, limit }: ListQuery,
): Row[] {
  // Without a limit the offset is ignored.
  const [from, end] = limit === 0 ? [0, Number.POSITIVE_INFINITY] : [offset, offset + limit]
  const pastLive = Math.max(0, from - live.length)
  const rows = [
    ...live.slice(from, end).map((workflow) => ({ workflow, view: shown(workflow) })),
    ...archived
      .slice(pastLive, Math.max(pastLive, end - live.length))
      .map((workflow) => ({ workflow, view: archivedRow(workflow) })),
  ]
  return rows.toSorted((a, b) => byPage(a.workflow, b.workflow))
}

function continuation(
  { query, live, archived, page }: { query: ListQuery; live: number; archived: number; page: number },
  bug: boolean,
): JsonObject {
  const { offset, limit, showRemaining } = query
  if (bug && !showRemaining) {
    // Only the archive is checked for one more row, at an offset that counts live rows too.
    return archived > offset + limit ? { continue: String(offset + limit) } : {}
  }
  const remaining = Math.max(0, live + archived - offset - page)
  return {
    ...(remaining > 0 ? { continue: String(offset + page) } : {}),
    ...(showRemaining ? { remainingItemCount: remaining } : {}),
  }
}

/**
 * The parts of a list that `fields` keeps. What Go always writes comes back; an empty list has `items: null`.
 */
export function cleanedList(
  list: { readonly metadata: JsonObject; readonly items: readonly JsonObject[] | null },
  fields: FieldCleaner,
  timestamps: boolean,
): JsonObject {
  if (fields.keepsAll) return { metadata: list.metadata, items: list.items }
  const cleaned = asObject(fields.clean(list))
  const { items = null, metadata = {} } = cleaned
  const rows = Array.isArray(items)
    ? items.map((one: JsonValue) => withZeroFields(isObject(one) ? one : {}, timestamps))
    : null
  return { metadata, items: rows }
}

/** `GET …/archived-workflows`: out of the archive alone, with a `continue` that is right on all versions. */
export function listArchivedWorkflows(context: OperationContext): JsonObject {
  const { parts, request } = context
  const given = request.query.get('namespace') ?? ''
  const query = withInstance(readListQuery(request.query, given, parts.rules), parts.instanceId)
  if (!parts.archive.enabled) return { metadata: {}, items: null }
  reachKubernetes(context)
  assertMayList(context, query.namespace)
  const prefix = request.query.get('namePrefix') ?? ''
  const rows = parts.archive.select(
    query.selector,
    (one) => query.keeps(one) && one.metadata.name.startsWith(prefix),
  )
  const { offset, limit } = query
  const page = limit === 0 ? rows : rows.slice(offset, offset + limit)
  const more = limit > 0 && rows.length > offset + limit
  const items = page.length === 0 ? null : page.toSorted(byPage).map(archivedRow)
  return { metadata: more ? { continue: String(offset + limit) } : {}, items }
}
