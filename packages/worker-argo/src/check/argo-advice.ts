import type { ArgoWorkerSettings } from '../options.js'
import { asArray, asObject, asText, type JsonObject } from '../template/template-places.js'
import type { TemplateFamily } from '../template/template-uses.js'

const POLICY = 'terminationMessagePolicy'
const MAX_NAMED = 5

/**
 * The warning about containers whose failures Argo reports by their exit code alone: Kubernetes gives it the
 * end of the log only where the container asks for that. A patch of the pod, and a default of the controller
 * that can't be read from here, may ask for it too.
 */
export function logWarning(
  { spec, others }: Pick<TemplateFamily, 'spec' | 'others'>,
  option: JsonObject | undefined,
): string | undefined {
  const specs = [spec, ...others.values()]
  const patched = [option ?? {}, ...specs, ...specs.flatMap((one) => templatesOf(one))]
  if (patched.some((one) => asText(one['podSpecPatch']).includes(POLICY))) return undefined
  const silent = specs.flatMap((one) => silentTemplates(one, option))
  if (silent.length === 0) return undefined
  const more = silent.length > MAX_NAMED ? ` and ${silent.length - MAX_NAMED} more` : ''
  return (
    `templates whose containers don't set ${POLICY}: FallbackToLogsOnError: ${silent.slice(0, MAX_NAMED).join(', ')}${more}. Argo then reports a failure by its ` +
    'exit code alone, and failures of different causes are one group in `sluice report --summary`; set it, unless workflowDefaults of the controller do'
  )
}

function templatesOf(spec: JsonObject): JsonObject[] {
  return asArray(spec['templates']).map((one) => asObject(one))
}

/** The templates of a spec with a container that does not report the end of its log. */
function silentTemplates(spec: JsonObject, option: JsonObject | undefined): string[] {
  const defaults = { ...asObject(spec['templateDefaults']), ...asObject(option?.['templateDefaults']) }
  return templatesOf(spec)
    .filter((template) =>
      containersOf(template).some(([kind, container]) => {
        const policy = container[POLICY] ?? asObject(defaults[kind])[POLICY]
        return policy !== 'FallbackToLogsOnError'
      }),
    )
    .map((template) => asText(template['name']))
}

function containersOf(template: JsonObject): [kind: string, container: JsonObject][] {
  const alone = ['container', 'script'].filter((kind) => template[kind] !== undefined)
  const together = asArray(asObject(template['containerSet'])['containers'])
  return [
    ...alone.map((kind): [string, JsonObject] => [kind, asObject(template[kind])]),
    ...together.map((one): [string, JsonObject] => ['containerSet', asObject(one)]),
  ]
}

/**
 * Published vulnerabilities, and what fixed each. @see
 * https://github.com/argoproj/argo-workflows/security/advisories
 */
const VULNERABILITIES: readonly (readonly [id: string, v37: number, v40: number])[] = [
  ['CVE-2026-28229', 11, 2],
  ['CVE-2026-31892', 11, 2],
  ['CVE-2026-40886', 14, 5],
  ['GHSA-3775-99mw-8rp4', 14, 5],
  ['CVE-2026-54526', 15, 6],
]

/** The warnings about a server's version, one sentence each; none about a text that is no version. */
export function versionWarnings(version: string): readonly string[] {
  const [major, minor, patch] = (/^v?(\d+)\.(\d+)\.(\d+)/u.exec(version)?.slice(1) ?? []).map(Number)
  if (major === undefined || minor === undefined || patch === undefined) return []
  const open = VULNERABILITIES.filter(([, v37, v40]) => isOpen({ major, minor, patch }, v37, v40))
  const isTooOld = major < 3 || (major === 3 && (minor < 5 || (minor === 5 && patch < 7)))
  return [
    ...(isTooOld ? [`Argo ${version} loses rows of lists: use 3.5.7 or later`] : []),
    ...(open.length === 0
      ? []
      : [
          `Argo ${version} has published vulnerabilities (${open.map(([id]) => id).join(', ')}): use 3.7.15, 4.0.6 or later`,
        ]),
  ]
}

interface Release {
  readonly major: number
  readonly minor: number
  readonly patch: number
}

/** Minors before 3.7 get no fixes, those after 4.0 had them from the start. */
function isOpen({ major, minor, patch }: Release, v37: number, v40: number): boolean {
  if (major < 3 || (major === 3 && minor < 7)) return true
  if (major === 3) return minor === 7 && patch < v37
  return major === 4 && minor === 0 && patch < v40
}

/** What a workflow may set beside its reference under any `templateReferencing`. */
const ALWAYS_ALLOWED = new Set([
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

type Overriding = Pick<
  ArgoWorkerSettings,
  'serviceAccount' | 'podPriorityClass' | 'spec' | 'overridesFrom' | 'templateKind'
>

/**
 * The options by which workflows end in Error under `templateReferencing: Strict` or `Secure`, unless the
 * controller allows their fields.
 */
export function restrictedOptions(settings: Overriding): readonly string[] {
  const { serviceAccount, podPriorityClass, spec, overridesFrom, templateKind } = settings
  const fields = Object.keys(spec ?? {}).filter((name) => !ALWAYS_ALLOWED.has(name))
  return [
    ...(templateKind === 'CronWorkflow' ? ['templateKind: CronWorkflow'] : []),
    ...(serviceAccount === undefined ? [] : ['serviceAccount (serviceAccountName)']),
    ...(podPriorityClass === undefined ? [] : ['podPriorityClass (podPriorityClassName)']),
    ...fields.map((name) => `spec.${name}`),
    ...(overridesFrom === undefined ? [] : [`what items set of these at ${overridesFrom}`]),
  ]
}

/**
 * What to do about a workflow that the controller's restrictions ended; `undefined` for every other message.
 */
export function restrictionHint(message: string | undefined): string | undefined {
  if (message === undefined) return undefined
  if (/not permitted when using workflowTemplateRef with templateReferencing/u.test(message)) {
    return (
      'The controller is set to `templateReferencing: Strict` or `Secure`. Leave out the options that set these fields and set them in the template, ' +
      'or name the fields in WORKFLOW_USER_OVERRIDE_ALLOWLIST in the environment of the workflow controller.'
    )
  }
  if (/must use workflowTemplateRef to be executed/u.test(message)) {
    return (
      'The controller is set to `templateReferencing: Strict` or `Secure`, and runs only what refers to a template: ' +
      'use `templateKind: WorkflowTemplate` or `ClusterWorkflowTemplate`.'
    )
  }
  if (/may not change during execution when the controller is set/u.test(message)) {
    return 'The controller is set to `templateReferencing: Secure`: a template that changes ends every workflow of it that runs.'
  }
  return undefined
}

/** Whether an `Authorization` header has the token of a session of Argo's SSO. */
export function isSsoSession(authorization: string | undefined): boolean {
  return authorization?.startsWith('Bearer v2:') === true
}
