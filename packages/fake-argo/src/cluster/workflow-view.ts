import type { JsonValue } from '@sluice/core'
import { isObject, type ArgoWorkflow, type JsonObject } from '../argo-workflow.js'
import { withZeroFields, type FieldCleaner } from '../operations/field-cleaner.js'
import { sorted } from '../server/go-json.js'

/** A workflow as in answers: without `kind`, empty maps left out, labels in order. */
export function shown(workflow: ArgoWorkflow): JsonObject {
  const known = SHOWN.get(workflow)
  if (known !== undefined) return known
  const { metadata, spec, status } = workflow
  const view = { metadata: shownMetadata(metadata), spec, status: defined({ ...status }) }
  SHOWN.set(workflow, view)
  return view
}

/** Workflows are immutable, so each is built once. */
const SHOWN = new WeakMap<ArgoWorkflow, JsonObject>()

function shownMetadata(metadata: ArgoWorkflow['metadata']): JsonObject {
  const { uid, resourceVersion, creationTimestamp, generateName, labels, annotations, ...rest } = metadata
  const { ownerReferences, ...others } = rest
  return defined({
    ...others,
    generateName: generateName === '' ? undefined : generateName,
    // What was only made and never stored has none of them.
    ...(uid === '' ? { creationTimestamp: null } : { uid, resourceVersion, creationTimestamp }),
    labels: nonEmpty(labels),
    annotations: nonEmpty(annotations),
    ownerReferences: ownerReferences?.length === 0 ? undefined : ownerReferences,
    managedFields: uid === '' ? undefined : [managedField(creationTimestamp)],
  })
}

/** As {@link shown}, and with `kind` and `apiVersion`, as archived ones have it. */
export function shownWithKind(workflow: ArgoWorkflow): JsonObject {
  return { kind: 'Workflow', apiVersion: 'argoproj.io/v1alpha1', ...shown(workflow) }
}

/** The parts of one workflow that `fields` keeps; `timestamps` as in {@link withZeroFields}. */
export function cleanedWorkflow(view: JsonObject, fields: FieldCleaner, timestamps: boolean): JsonObject {
  if (fields.keepsAll) return view
  const cleaned = fields.clean(view)
  return withZeroFields(isObject(cleaned) ? cleaned : {}, timestamps)
}

function managedField(time: string): JsonObject {
  return {
    manager: 'argo',
    operation: 'Update',
    apiVersion: 'argoproj.io/v1alpha1',
    time,
    fieldsType: 'FieldsV1',
    fieldsV1: {},
  }
}

function nonEmpty(map: Readonly<Record<string, string>>): Record<string, string> | undefined {
  return Object.keys(map).length === 0 ? undefined : sorted(map)
}

/** An object without the fields that are undefined. */
export function defined(fields: Readonly<Record<string, unknown>>): JsonObject {
  const kept: Record<string, JsonValue> = {}
  for (const [key, value] of Object.entries(fields)) if (isGiven(value)) kept[key] = value
  return kept
}

/** The content of a workflow is JSON or absent. */
function isGiven(value: unknown): value is JsonValue {
  return value !== undefined
}
