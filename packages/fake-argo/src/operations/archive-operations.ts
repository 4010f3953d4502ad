import { ArgoRefusal } from '../server/answer.js'
import { asArray, type ArgoWorkflow, type JsonObject } from '../argo-workflow.js'
import { assertRetriable, resubmitted } from './action-operations.js'
import { actionShape } from './body-shape.js'
import { bodyOf, reachKubernetes, type OperationContext } from './operation-context.js'
import { withParameters } from './submit-options.js'
import { retried } from '../controller/workflow-steps.js'
import { shown, shownWithKind } from '../cluster/workflow-view.js'

/** `GET …/archived-workflows/{uid}`: whole. */
export function getArchivedWorkflow(context: OperationContext): JsonObject {
  return shownWithKind(rowOf(context, 'get'))
}

/** `DELETE …/archived-workflows/{uid}` */
export function deleteArchivedWorkflow(context: OperationContext): JsonObject {
  const { metadata } = rowOf(context, 'delete')
  context.parts.archive.delete(metadata.uid)
  return {}
}

/** `PUT …/archived-workflows/{uid}/retry`: a live workflow of the same name and another uid. */
export function retryArchivedWorkflow(context: OperationContext): JsonObject {
  const { parts, caller } = context
  const row = rowOf(context, 'get')
  const body = bodyOf(context, actionShape)
  const { namespace, name } = row.metadata
  if (parts.cluster.get(namespace, name) !== undefined) {
    throw new ArgoRefusal(6, `Workflow already exists on cluster, use argo retry ${name} instead`)
  }
  assertRetriable(row, body)
  parts.access.demand(caller, { verb: 'create', resource: 'workflows', namespace })
  const again = retried(row, parts.now())
  const workflow = {
    ...again,
    metadata: { ...again.metadata, uid: parts.names.uid() },
    spec: withParameters(again.spec, asArray(body['parameters'])),
  }
  return shown(parts.cluster.add(workflow))
}

/** `PUT …/archived-workflows/{uid}/resubmit` */
export function resubmitArchivedWorkflow(context: OperationContext): JsonObject {
  return resubmitted(context, rowOf(context, 'get'))
}

function rowOf(context: OperationContext, verb: string): ArgoWorkflow {
  const { parts, request } = context
  if (!parts.archive.enabled) throw new ArgoRefusal(13, 'getting archived workflows not supported')
  reachKubernetes(context)
  const row = parts.archive.byUid(request.name)
  if (row === undefined) throw new ArgoRefusal(5, 'not found')
  if (!parts.access.allows(verb, 'workflows')) throw new ArgoRefusal(7, 'permission denied')
  return row
}
