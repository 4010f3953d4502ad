import { z } from 'zod'
import type { JobParameters } from '../parameters/job-parameters.js'

/** A parameter as a template declares it. */
export interface DeclaredParameter {
  readonly name: string
  /** It has no value of its own: a submit must give one. */
  readonly required: boolean
  /** Its values are confined to these. */
  readonly allowed?: readonly string[]
}

const parameterSchema = z.object({
  name: z.string(),
  value: z.unknown().optional(),
  default: z.unknown().optional(),
  valueFrom: z.unknown().optional(),
  enum: z.array(z.unknown()).nullish(),
})

const specSchema = z.object({
  arguments: z.object({ parameters: z.array(parameterSchema).nullish() }).nullish(),
})

/** A WorkflowTemplate, ClusterWorkflowTemplate or, with its `workflowSpec`, CronWorkflow. */
const templateSchema = z.object({
  metadata: z.object({ name: z.string() }),
  spec: specSchema.extend({ workflowSpec: specSchema.nullish() }),
})

const versionSchema = z.object({
  metadata: z.object({ uid: z.string().min(1), resourceVersion: z.string().min(1) }),
})

/** What changes with every change of a template, and never recurs; `undefined` when the answer has none. */
export function templateVersion(answer: unknown): string | undefined {
  const { data } = versionSchema.safeParse(answer)
  return data === undefined ? undefined : `${data.metadata.uid} ${data.metadata.resourceVersion}`
}

/**
 * What tells a template from one of the same name that is made after it, or in another cluster; `undefined`
 * when the answer has none.
 */
export function templateUid(answer: unknown): string | undefined {
  return versionSchema.safeParse(answer).data?.metadata.uid
}

/** What a template declares, or `undefined` when the answer is no template. */
export function declaredParameters(answer: unknown): readonly DeclaredParameter[] | undefined {
  const parsed = templateSchema.safeParse(answer)
  if (!parsed.success) return undefined
  const { spec } = parsed.data
  const parameters = (spec.workflowSpec ?? spec).arguments?.parameters ?? []
  return parameters.map(({ name, value, default: fallback, valueFrom, enum: allowed }) => ({
    name,
    required: isNothing(value) && isNothing(fallback) && isNothing(valueFrom),
    ...(isNothing(allowed) ? {} : { allowed: allowed.map(String) }),
  }))
}

function isNothing(value: unknown): value is null | undefined {
  return value === null || value === undefined
}

/**
 * What is wrong with a mapping, whatever the items are: one line each.
 *
 * @param mapping the parameters that it gives, with the value of those that are constant
 */
export function mappingProblems(
  mapping: ReadonlyMap<string, string | undefined>,
  declared: readonly DeclaredParameter[],
): readonly string[] {
  const missing = declared
    .filter(({ name, required }) => required && !mapping.has(name))
    .map(({ name }) => `the template requires ${name}, and nothing is mapped to it`)
  return [...missing, ...unknownProblems(mapping, declared), ...enumProblems(mapping, declared)]
}

export interface ProblemOptions {
  readonly unknownFields: 'reject' | 'ignore'
  /** Why a parameter that is mapped has no value, where that is known. */
  readonly whyMissing?: ((name: string) => string | undefined) | undefined
}

/** What is wrong with the parameters of one job: one line each. */
export function parameterProblems(
  parameters: JobParameters,
  declared: readonly DeclaredParameter[],
  { unknownFields, whyMissing = () => undefined }: ProblemOptions,
): readonly string[] {
  const missing = declared
    .filter(({ name, required }) => required && !parameters.has(name))
    .map(({ name }) => missingText(name, whyMissing(name)))
  const unknown = unknownFields === 'ignore' ? [] : unknownProblems(parameters, declared)
  return [...missing, ...unknown, ...enumProblems(parameters, declared)]
}

function missingText(name: string, why: string | undefined): string {
  return `the template requires ${name}, and the item gives no value for it${why === undefined ? '' : `: ${why}`}`
}

/** All in one line, since the template's own parameters are the same for each. */
function unknownProblems(
  values: ReadonlyMap<string, unknown>,
  declared: readonly DeclaredParameter[],
): readonly string[] {
  const unknown = [...values.keys()].filter((name) => declared.every((one) => one.name !== name))
  if (unknown.length === 0) return []
  const word = unknown.length === 1 ? 'parameter' : 'parameters'
  return [`the template has no ${word} ${unknown.join(', ')}; it has ${namesOf(declared)}`]
}

function enumProblems(
  values: ReadonlyMap<string, string | undefined>,
  declared: readonly DeclaredParameter[],
): readonly string[] {
  return declared.flatMap(({ name, allowed }) => {
    const value = values.get(name)
    if (value === undefined || allowed === undefined || allowed.includes(value)) return []
    return [
      `the template allows for ${name} only ${allowed.join(', ')}, and not ${JSON.stringify(value.slice(0, 60))}`,
    ]
  })
}

function namesOf(declared: readonly DeclaredParameter[]): string {
  return declared.length === 0 ? 'none' : declared.map(({ name }) => name).join(', ')
}
