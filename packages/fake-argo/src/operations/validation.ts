import { utf8Bytes } from '@sluice/core'
import { ArgoRefusal } from '../server/answer.js'
import {
  asArray,
  asObject,
  asText,
  isObject,
  parameterList,
  type ArgoParameter,
  type JsonObject,
} from '../argo-workflow.js'
import { goJson, isJsonOnceQuoted } from '../server/go-json.js'
import type { DraftWorkflow } from './submit-options.js'
import { notFound } from '../cluster/templates.js'
import { MAX_STORED_BYTES } from '../pods/workload.js'

/**
 * Argo's own validation of a workflow, before Kubernetes stores it.
 *
 * @param resolved the spec it will run by; `undefined` when its template isn't there
 * @throws ArgoRefusal 400 or 404
 */
export function assertValid(draft: DraftWorkflow, resolved: JsonObject | undefined): void {
  const { name, spec } = draft
  if (name.length > 63) {
    throw refused(
      `workflow name "${name}" must not be more than 63 characters long (currently ${name.length})`,
    )
  }
  const ref = spec['workflowTemplateRef']
  if (isObject(ref) && asArray(spec['templates']).length > 0) {
    throw refused('Templates is invalid field in spec if workflow referred WorkflowTemplate reference')
  }
  if (resolved === undefined) {
    const kind = asObject(ref)['clusterScope'] === true ? 'ClusterWorkflowTemplate' : 'WorkflowTemplate'
    throw new ArgoRefusal(5, notFound(kind, asText(asObject(ref)['name']) ?? ''))
  }
  const given = parameterList(spec)
  // Merged with the template's, a parameter that is given twice counts once, by its first value.
  const merged = isObject(ref) ? firstOfEach(given) : given
  assertNames(merged)
  assertValues(merged, parameterList(resolved))
  assertEntrypoint(resolved, asText(asObject(ref)['name']))
  assertReplaceable(resolved, merged)
}

function firstOfEach(given: readonly ArgoParameter[]): ArgoParameter[] {
  return given.filter(({ name }, index) => given.findIndex((one) => one.name === name) === index)
}

/** @param ref the name of the template that the workflow refers to, if it does */
function assertEntrypoint(spec: JsonObject, ref: string | undefined): void {
  const entrypoint = asText(spec['entrypoint']) ?? ''
  if (entrypoint === '') throw refused('spec.entrypoint is required')
  const names = asArray(spec['templates']).map((one) => asObject(one)['name'])
  if (names.includes(entrypoint)) return
  throw refused(
    ref === undefined
      ? `template name '${entrypoint}' undefined`
      : `template reference ${ref}.${entrypoint} not found`,
  )
}

/** Values are put into the JSON of the templates that use them, which must be JSON then too. */
function assertReplaceable(resolved: JsonObject, given: readonly ArgoParameter[]): void {
  const odd = given.filter(({ value = '' }) => !isJsonOnceQuoted(value)).map(({ name }) => name)
  if (odd.length === 0) return
  for (const template of asArray(resolved['templates'])) {
    const text = JSON.stringify(template)
    if (!odd.some((name) => usesParameter(text, name))) continue
    const name = asText(asObject(template)['name']) ?? ''
    throw refused(`templates.${name} cannot finish template replacement because the result was invalid JSON`)
  }
}

function usesParameter(template: string, name: string): boolean {
  return new RegExp(`\\{\\{\\s*(?:workflow|inputs)\\.parameters\\.${name}\\s*\\}\\}`).test(template)
}

const PARAMETER_NAME = /^[-a-zA-Z0-9_]+$/

function assertNames(given: readonly ArgoParameter[]): void {
  const seen = new Set<string>()
  for (const [index, { name }] of given.entries()) {
    const at = `spec.arguments.parameters[${index}].name`
    if (name === '') throw refused(`${at} is required`)
    if (seen.has(name)) throw refused(`${at} '${name}' is not unique`)
    if (!PARAMETER_NAME.test(name)) {
      throw refused(`${at}: '${name}' is invalid: name must consist of alpha-numeric characters, '_' or '-'`)
    }
    seen.add(name)
  }
}

function assertValues(given: readonly ArgoParameter[], declared: readonly ArgoParameter[]): void {
  const values = new Map(given.map(({ name, value }) => [name, value]))
  const known = new Set([...declared, ...given].map(({ name }) => name))
  for (const { name, value, enum: allowed } of declared) {
    const actual = values.get(name) ?? value
    if (actual === undefined) {
      throw refused(`spec.arguments.${name}.value or spec.arguments.${name}.valueFrom is required`)
    }
    if (allowed !== undefined && !allowed.includes(actual)) {
      throw refused(`spec.arguments.${name}.value should be present in spec.arguments.${name}.enum list`)
    }
  }
  for (const { value = '' } of given) assertResolvable(value, known)
}

const REFERENCE = /\{\{(.*?)\}\}/gs
const CHECKED = /^(?:item|steps|inputs|outputs|pod|workflow|tasks)\./
const KNOWN_OF_WORKFLOW =
  /^workflow\.(?:name|namespace|uid|serviceAccountName|mainEntrypoint|priority|status|failures|duration|creationTimestamp(?:\..+)?|labels\..+|annotations\..+)$/

/** Values are templates: a reference to something that a workflow can have must resolve. */
function assertResolvable(value: string, parameters: ReadonlySet<string>): void {
  for (const [, inner = ''] of value.matchAll(REFERENCE)) {
    const reference = inner.trim()
    if (!CHECKED.test(reference) || KNOWN_OF_WORKFLOW.test(reference)) continue
    const parameter = /^workflow\.parameters\.(.+)$/.exec(reference)?.[1]
    if (parameter === undefined || !parameters.has(parameter))
      throw refused(`failed to resolve {{${reference}}}`)
  }
  if (value.lastIndexOf('{{') > value.lastIndexOf('}}'))
    throw refused('Cannot find end tag="}}" in the template')
}

const DNS_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/
const LABEL_NAME = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/

const MAX_REQUEST_BYTES = 3_145_728
const MAX_ANNOTATION_BYTES = 262_144

/**
 * What Kubernetes checks when it stores a workflow.
 *
 * @throws ArgoRefusal 400 or, for what etcd can't hold, 500
 */
export function assertStorable(draft: DraftWorkflow): void {
  const { name, labels, annotations } = draft
  const bytes = bytesOf(draft)
  if (bytes > MAX_REQUEST_BYTES) throw refused(`Request entity too large: limit is ${MAX_REQUEST_BYTES}`)
  const invalid = (problem: string) => refused(`Workflow.argoproj.io "${name}" is invalid: ${problem}`)
  if (name !== '' && !DNS_NAME.test(name)) {
    throw invalid(`metadata.name: Invalid value: "${name}": ${NAME_RULE}`)
  }
  for (const [key, value] of Object.entries(labels)) {
    if (!isLabelKey(key)) throw invalid(`metadata.labels: Invalid value: "${key}": ${KEY_RULE}`)
    if (value.length > 63)
      throw invalid(`metadata.labels: Invalid value: "${value}": must be no more than 63 bytes`)
    if (!LABEL_VALUE.test(value)) throw invalid(`metadata.labels: Invalid value: "${value}": ${VALUE_RULE}`)
  }
  const badKey = Object.keys(annotations).find((key) => !isLabelKey(key))
  if (badKey !== undefined) throw invalid(`metadata.annotations: Invalid value: "${badKey}": ${KEY_RULE}`)
  if (bytes > 100_000 && utf8Bytes(Object.entries(annotations).flat().join('')) > MAX_ANNOTATION_BYTES) {
    throw invalid(`metadata.annotations: Too long: may not be more than ${MAX_ANNOTATION_BYTES} bytes`)
  }
  if (bytes > MAX_STORED_BYTES) throw new ArgoRefusal(13, 'etcdserver: request is too large')
}

/** Exact only near the limits. */
function bytesOf(draft: DraftWorkflow): number {
  const { length } = JSON.stringify(draft)
  return length < 100_000 ? length : utf8Bytes(goJson(draft))
}

const NAME_RULE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"
const KEY_RULE =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
const VALUE_RULE =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"

function isLabelKey(key: string): boolean {
  const [prefix, name, ...more] = key.includes('/') ? key.split('/') : [undefined, key]
  if (more.length > 0 || name === undefined || name.length > 63 || !LABEL_NAME.test(name)) return false
  return prefix === undefined || (prefix.length <= 253 && DNS_NAME.test(prefix))
}

function refused(message: string): ArgoRefusal {
  return new ArgoRefusal(3, message)
}
