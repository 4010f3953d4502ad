import type { JsonObject } from '../argo-workflow.js'
import { FieldCleaner } from './field-cleaner.js'
import { isArchivedOnly, reachKubernetes, workflowOf, type OperationContext } from './operation-context.js'
import { pluralOf, type StoredTemplate, type TemplateKind } from '../cluster/templates.js'
import { cleanedWorkflow, shown, shownWithKind } from '../cluster/workflow-view.js'

/** `GET …/workflows/{namespace}/{name}`: live, or else out of the archive. */
export function getWorkflow(context: OperationContext): JsonObject {
  const { parts, request } = context
  const uid = parts.rules.getByUid ? (request.query.get('uid') ?? '') : ''
  const workflow = workflowOf(context, uid)
  const view = isArchivedOnly(context, workflow) ? shownWithKind(workflow) : shown(workflow)
  const fields = FieldCleaner.of(request.query.get('fields') ?? '')
  return cleanedWorkflow(view, fields, parts.rules.zeroTimestamps)
}

/** `GET …-templates/…/{name}` and the like. */
export function getTemplate(context: OperationContext, kind: TemplateKind): JsonObject {
  const { parts, request, caller } = context
  const { name, namespace } = request
  reachKubernetes(context)
  parts.access.demand(caller, { verb: 'get', resource: pluralOf(kind), name, namespace })
  return shownTemplate(context, parts.templates.get(kind, name, namespace))
}

/** All templates of a kind. */
export function listTemplates(context: OperationContext, kind: TemplateKind): JsonObject {
  const { parts, request, caller } = context
  reachKubernetes(context)
  parts.access.demand(caller, { verb: 'list', resource: pluralOf(kind), namespace: request.namespace })
  const found = parts.templates.all(kind, request.namespace)
  const items = found.map((template) => shownTemplate(context, template))
  return {
    metadata: { resourceVersion: String(parts.cluster.revision) },
    items: items.length === 0 ? null : items,
  }
}

function shownTemplate({ parts, request }: OperationContext, stored: StoredTemplate): JsonObject {
  const { template, uid, resourceVersion, generation } = stored
  const { name } = template.metadata
  const namespace = template.kind === 'ClusterWorkflowTemplate' ? {} : { namespace: request.namespace }
  return {
    metadata: {
      name,
      ...namespace,
      uid,
      resourceVersion,
      generation,
      creationTimestamp: parts.startedAt,
    },
    spec: template.spec,
    ...(template.kind === 'CronWorkflow'
      ? { status: { active: null, lastScheduledTime: null, conditions: null } }
      : {}),
  }
}

/** `GET …/info` */
export function getInfo({ parts }: OperationContext): JsonObject {
  return {
    ...(parts.managedNamespace === '' ? {} : { managedNamespace: parts.managedNamespace }),
    modals: { feedback: false, firstTimeUser: false, newVersion: false },
  }
}

/** `GET …/version` */
export function getVersion({ parts }: OperationContext): JsonObject {
  const { version } = parts.rules
  return {
    version,
    buildDate: '2026-08-01T00:00:00Z',
    gitCommit: '0000000000000000000000000000000000000000',
    gitTag: version,
    gitTreeState: 'clean',
    goVersion: 'go1.26',
    compiler: 'gc',
    platform: 'linux/amd64',
  }
}

/** `GET …/userinfo` */
export function getUserInfo({ caller }: OperationContext): JsonObject {
  const [, , namespace, account] = caller.subject.split(':')
  return {
    subject: caller.subject,
    ...(namespace === undefined || account === undefined
      ? {}
      : { serviceAccountNamespace: namespace, serviceAccountName: account }),
  }
}
