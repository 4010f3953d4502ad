import { creatorLabels } from '../server/access.js'
import { ArgoRefusal } from '../server/answer.js'
import {
  argoLabel,
  asArray,
  asObject,
  asText,
  isObject,
  LABEL_INSTANCE,
  timestamp,
  type ArgoWorkflow,
  type JsonObject,
} from '../argo-workflow.js'
import type { JsonValue } from '@sluice/core'
import { createShape, submitShape } from './body-shape.js'
import { assertAdmitted, assertWithinQuota } from './admission.js'
import { bodyOf, reachKubernetes, resolvedSpec, type OperationContext } from './operation-context.js'
import { entrypointOf } from '../controller/outcome.js'
import { applySubmitOptions, type DraftWorkflow } from './submit-options.js'
import { kindOf, pluralOf, type ArgoTemplate, type TemplateKind } from '../cluster/templates.js'
import { assertStorable, assertValid } from './validation.js'
import { shown } from '../cluster/workflow-view.js'

/** `POST …/submit`: a workflow of a template, by name. */
export function submitWorkflow(context: OperationContext): JsonObject {
  const { parts, caller, request } = context
  const body = bodyOf(context, submitShape)
  const resourceKind = asText(body['resourceKind']) ?? ''
  const kind = kindOf(resourceKind)
  if (kind === undefined) {
    throw new ArgoRefusal(3, `Resource kind '${resourceKind}' is not supported for submitting`)
  }
  const template = templateFor(context, kind, asText(body['resourceName']) ?? '')
  const options = asObject(body['submitOptions'])
  const base = draftOf(template)
  // The options are applied last, so that their labels win.
  const labels = { ...base.labels, ...instanceLabel(parts.instanceId), ...creatorLabels(caller) }
  const draft = applySubmitOptions({ ...base, labels }, options)
  assertValid(draft, resolvedSpec(parts, draft.spec, request.namespace))
  if (options['dryRun'] === true) return shown(unsaved(context, draft))
  // An error that is not Kubernetes' own is reported as the caller's mistake here.
  return stored(context, draft, { transportCode: 3, dryRun: options['serverDryRun'] === true })
}

/** `POST …`: a whole workflow. */
export function createWorkflow(context: OperationContext): JsonObject {
  const { parts, caller, request } = context
  const body = bodyOf(context, createShape)
  const given = body['workflow']
  if (!isObject(given)) throw new ArgoRefusal(3, 'workflow body not specified')
  const metadata = asObject(given['metadata'])
  const namespace = asText(metadata['namespace']) ?? ''
  const { [LABEL_INSTANCE]: _, ...own } = textMap(metadata['labels'])
  const labels = { ...own, ...instanceLabel(parts.instanceId), ...creatorLabels(caller) }
  const draft: DraftWorkflow = {
    name: asText(metadata['name']) ?? '',
    generateName: asText(metadata['generateName']) ?? '',
    labels,
    annotations: textMap(metadata['annotations']),
    ownerReferences: asArray(metadata['ownerReferences']).map(asObject),
    spec: withTextValues(asObject(given['spec'])),
  }
  // The template is resolved in the workflow's own namespace, whatever the path says.
  assertValid(draft, resolvedSpec(parts, draft.spec, namespace === '' ? request.namespace : namespace))
  if (asArray(asObject(body['createOptions'])['dryRun']).length > 0) return shown(unsaved(context, draft))
  if (namespace !== '' && namespace !== request.namespace) throw new ArgoRefusal(3, OTHER_NAMESPACE)
  return stored(context, draft, { transportCode: 13, dryRun: body['serverDryRun'] === true })
}

const OTHER_NAMESPACE =
  'the namespace of the provided object does not match the namespace sent on the request'

function templateFor(context: OperationContext, kind: TemplateKind, name: string): ArgoTemplate {
  const { parts, caller, request } = context
  if (parts.rules.callerReadsTemplates) {
    reachKubernetes(context, 3)
    parts.access.demand(caller, { verb: 'get', resource: pluralOf(kind), name, namespace: request.namespace })
  }
  // What a server for one namespace doesn't see in another is refused when the workflow is validated.
  return parts.templates.get(kind, name, request.namespace).template
}

function draftOf({ kind, metadata: { name }, spec }: ArgoTemplate): DraftWorkflow {
  const base = { name: '', generateName: `${name}-`, annotations: {}, ownerReferences: [] }
  const label = (of: string) => ({ [argoLabel(of)]: name })
  if (kind === 'CronWorkflow') {
    const copied = { arguments: {}, ...asObject(spec['workflowSpec']) }
    return { ...base, labels: label('cron-workflow'), spec: copied }
  }
  const clusterScope = kind === 'ClusterWorkflowTemplate'
  return {
    ...base,
    labels: label(clusterScope ? 'cluster-workflow-template' : 'workflow-template'),
    spec: { arguments: {}, workflowTemplateRef: { name, ...(clusterScope ? { clusterScope } : {}) } },
  }
}

function instanceLabel(instanceId: string): Record<string, string> {
  return instanceId === '' ? {} : { [LABEL_INSTANCE]: instanceId }
}

/** As it was made, before Kubernetes had it. */
export function unsaved({ request, parts }: OperationContext, draft: DraftWorkflow): ArgoWorkflow {
  const { name, generateName, labels, annotations, ownerReferences, spec } = draft
  const resolved = parts.templates.resolved(spec, request.namespace)
  const stored = resolved === undefined ? undefined : storedTemplates(spec, resolved)
  return {
    metadata: {
      name,
      generateName,
      namespace: request.namespace,
      uid: '',
      resourceVersion: '',
      generation: 1,
      creationTimestamp: timestamp(parts.now()),
      labels,
      annotations,
      ownerReferences,
    },
    spec,
    status: { startedAt: null, finishedAt: null, storedTemplates: stored },
  }
}

/** Stores a workflow in Kubernetes, which decides last. */
export function stored(
  context: OperationContext,
  draft: DraftWorkflow,
  how: { readonly transportCode: number; readonly dryRun: boolean },
): JsonObject {
  const { parts, caller, request } = context
  const { namespace } = request
  reachKubernetes(context, how.transportCode)
  parts.access.demand(caller, { verb: 'create', resource: 'workflows', namespace })
  assertStorable(draft)
  if (!parts.namespaces.has(namespace)) throw new ArgoRefusal(5, `namespaces "${namespace}" not found`)
  const name = draft.name === '' ? parts.names.generated(draft.generateName) : draft.name
  if (draft.name === '' && draft.generateName === '') throw new ArgoRefusal(3, NAMELESS)
  const made = unsaved(context, { ...draft, name })
  assertAdmitted(made, parts.admission)
  // The last admission, before the name is checked.
  if (parts.quota !== undefined) assertWithinQuota(name, parts.cluster.countIn(namespace), parts.quota)
  if (parts.cluster.get(namespace, name) !== undefined) {
    const exists = `workflows.argoproj.io "${name}" already exists`
    throw new ArgoRefusal(6, draft.generateName === '' ? exists : `${exists}, ${NOT_UNIQUE}`)
  }
  const workflow = { ...made, metadata: { ...made.metadata, uid: parts.names.uid() } }
  return shown(how.dryRun ? workflow : parts.cluster.add(workflow))
}

const NAMELESS =
  'Workflow.argoproj.io "" is invalid: metadata.name: Required value: name or generateName is required'
const NOT_UNIQUE = 'the server was not able to generate a unique name for the object'

/** Values may be numbers or booleans; they are stored as text. */
function withTextValues(spec: JsonObject): JsonObject {
  const given = asObject(spec['arguments'])
  const parameters = asArray(given['parameters']).map((one): JsonValue => {
    const { value, ...rest } = asObject(one)
    return value === undefined ? rest : { ...rest, value: asText(value) ?? '' }
  })
  return { ...spec, arguments: parameters.length > 0 ? { ...given, parameters } : given }
}

function textMap(value: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(asObject(value)).map(([key, one]) => [key, asText(one) ?? '']))
}

/**
 * The `storedTemplates` of a validated workflow: each template that its entrypoint reaches in the referenced
 * one, by scope, template and name. `undefined` for a workflow without a reference.
 *
 * @param resolved the spec it runs by
 */
function storedTemplates(spec: JsonObject, resolved: JsonObject): JsonObject | undefined {
  const ref = spec['workflowTemplateRef']
  if (!isObject(ref)) return undefined
  const scope = ref['clusterScope'] === true ? 'cluster' : 'namespaced'
  const all = new Map(
    asArray(resolved['templates']).map((one) => [asText(asObject(one)['name']) ?? '', asObject(one)]),
  )
  const stored: Record<string, JsonObject> = {}
  const store = (name: string): void => {
    const template = all.get(name)
    const id = `${scope}/${asText(ref['name']) ?? ''}/${name}`
    if (template === undefined || id in stored) return
    stored[id] = { name, inputs: {}, outputs: {}, metadata: {}, ...template }
    for (const next of namesWithin(template)) store(next)
  }
  store(entrypointOf(resolved))
  return stored
}

/** The templates that steps and tasks name. */
function namesWithin(template: JsonObject): string[] {
  const steps = asArray(template['steps']).flatMap((group) => (Array.isArray(group) ? group : [group]))
  const tasks = asArray(asObject(template['dag'])['tasks'])
  return [...steps, ...tasks].flatMap((one) => asText(asObject(one)['template']) ?? [])
}
