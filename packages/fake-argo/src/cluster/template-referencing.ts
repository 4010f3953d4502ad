import { asObject, isObject, type ArgoWorkflow, type JsonObject } from '../argo-workflow.js'
import type { Ending } from '../controller/outcome.js'
import type { Templates } from './templates.js'

/**
 * The controller's `workflowRestrictions.templateReferencing`, and what its environment adds to what a
 * workflow may set.
 */
export interface TemplateReferencing {
  readonly mode: 'Strict' | 'Secure'
  /** `WORKFLOW_USER_OVERRIDE_ALLOWLIST`: names of fields of a spec. */
  readonly allowlist?: readonly string[]
}

/** Fields that are always allowed beside a reference. */
const ALLOWED = new Set([
  'arguments',
  'entrypoint',
  'shutdown',
  'suspend',
  'activeDeadlineSeconds',
  'priority',
  'ttlStrategy',
  'podGC',
  'volumeClaimGC',
  'archiveLogs',
  'workflowMetadata',
  'workflowTemplateRef',
  'metrics',
  'artifactGC',
])

/** Names whose Go form is more than a capital letter. */
const GO_NAMES: Readonly<Record<string, string>> = { dnsConfig: 'DNSConfig', dnsPolicy: 'DNSPolicy' }

const NO_REFERENCE =
  'workflows must use workflowTemplateRef to be executed when the controller is in reference mode'
const CHANGED =
  'WorkflowSpec may not change during execution when the controller is set `templateReferencing: Secure`'

/**
 * Why the controller ends a workflow in Error at its first reconcile, if it does.
 *
 * @param restricts whether this version restricts what a workflow may set beside its reference
 */
function referencingError(
  { spec }: ArgoWorkflow,
  { allowlist = [] }: TemplateReferencing,
  restricts: boolean,
): string | undefined {
  if (!isObject(spec['workflowTemplateRef'])) return NO_REFERENCE
  if (!restricts) return undefined
  const fields = Object.entries(spec)
    .filter(([name, value]) => !ALLOWED.has(name) && !allowlist.includes(name) && isSet(value))
    .map(([name]) => goName(name))
  const nested = ['podSpecPatch', 'serviceAccountName', 'podMetadata']
    .filter((name) => isSet(asObject(spec['artifactGC'])[name]))
    .map((name) => `ArtifactGC.${goName(name)}`)
  const violations = [...fields, ...nested].toSorted()
  return violations.length === 0
    ? undefined
    : `fields [${violations.join(' ')}] are not permitted when using workflowTemplateRef with templateReferencing restriction`
}

/** Why a running workflow ends in Error: in `Secure` its template may not have changed since it began. */
function changedTemplateError(
  { status }: ArgoWorkflow,
  { mode }: TemplateReferencing,
  resolved: JsonObject | undefined,
): string | undefined {
  const begun = status.storedWorkflowTemplateSpec
  if (mode !== 'Secure' || begun === undefined || resolved === undefined) return undefined
  return JSON.stringify(templateFields(begun)) === JSON.stringify(templateFields(resolved))
    ? undefined
    : CHANGED
}

/** Without what an action may have set on the workflow meanwhile. */
function templateFields(spec: JsonObject): JsonObject {
  const { shutdown: _, suspend: __, ...fields } = spec
  return fields
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== ''
}

function goName(name: string): string {
  return GO_NAMES[name] ?? `${name.charAt(0).toUpperCase()}${name.slice(1)}`
}

/** The end of a workflow that `templateReferencing` does not allow, or not any more. */
export function restrictedEnding(
  workflow: ArgoWorkflow,
  by: {
    readonly templateReferencing: TemplateReferencing | undefined
    readonly restrictsOverrides: boolean
    readonly templates: Templates
  },
): Ending | undefined {
  const { templateReferencing, restrictsOverrides, templates } = by
  if (templateReferencing === undefined) return undefined
  const { spec, metadata } = workflow
  const message =
    referencingError(workflow, templateReferencing, restrictsOverrides) ??
    changedTemplateError(workflow, templateReferencing, templates.resolved(spec, metadata.namespace))
  return message === undefined ? undefined : { phase: 'Error', message }
}
