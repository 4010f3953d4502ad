import { resolve } from 'node:path'
import { MAX_ID_BYTES, type Logger, type PackageContext, type Runtime } from '@sluice/core'
import { baseDirOf, isRuntime, utf8Bytes } from '@sluice/core/backend'
import { z } from 'zod'
import type { ParameterFunction } from './argo-options.js'
import { ARGO_CLASSES, isArgoClass } from './workflow/failure-class.js'
import { constantProblems } from './parameters/job-parameters.js'
import { parsePath, parseSource } from './parameters/parameter-source.js'
import { TEXT_FORMS } from './parameters/parameter-text.js'

const MAX_SPAN_MS = 2_147_483_647
const MAX_INT32 = 2_147_483_647

const text = z.string().min(1)
const source = text.check(readableBy(parseSource))
const path = text.check(readableBy(parsePath))
const namespace = z
  .string()
  .regex(/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/u, 'must be the name of a Kubernetes namespace')
const resourceName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9](?:[-.a-z0-9]*[a-z0-9])?$/u, 'must be the name of a Kubernetes resource')

/**
 * @param noPassword for one with an @: a password with a slash that was not percent-encoded makes a path of
 * its rest, and a host of what stands before it
 */
function webUrl(noPassword: string) {
  return z
    .string()
    .refine((value) => !value.includes('@'), { error: noPassword, abort: true })
    .pipe(z.url({ protocol: /^https?$/u, error: 'must be an http or https URL' }))
}

const mapping = z.record(
  z.string().regex(/^[-\w]+$/u, 'must be the name of a parameter: letters, digits, - and _'),
  z.union(
    [
      source,
      z.number(),
      z.boolean(),
      z.strictObject({ from: source, as: z.enum(TEXT_FORMS).default('text') }),
    ],
    { error: closestProblem },
  ),
)

const KEY = /^(?:[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$/u
const key = z
  .string()
  .regex(KEY, 'must be the key of a label')
  .refine((value) => !value.startsWith('sluice/'), 'is kept for this worker')
  // A workflow that has them is ignored by the controller, or invisible to the server, for ever.
  .refine((value) => !OF_ARGO.has(value), 'is for Argo alone to set')
const OF_ARGO = new Set(
  ['phase', 'completed', 'controller-instanceid'].map((each) => `workflows.argoproj.io/${each}`),
)

const labels = z.record(
  key,
  z.string().regex(/^(?:[A-Za-z0-9](?:[-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?)?$/u, 'must be the value of a label'),
)
const annotations = z.record(key, z.string())

/** The schema of the options that may be set for one workflow. */
export const overridesSchema = z.strictObject({
  entrypoint: text.optional(),
  serviceAccount: resourceName.optional(),
  priority: z.union([z.int().min(-MAX_INT32).max(MAX_INT32), z.literal('item')]).optional(),
  podPriorityClass: resourceName.optional(),
  labels: labels.optional(),
  annotations: annotations.optional(),
  spec: z.record(z.string(), z.json()).optional(),
})

export type Overrides = z.output<typeof overridesSchema>

/** The options of `openWorker`: a zod schema, and so a Standard Schema. */
export const optionsSchema = overridesSchema
  .extend({
    name: text.refine((value) => utf8Bytes(value) <= MAX_ID_BYTES, `must be at most ${MAX_ID_BYTES} bytes`),
    baseUrl: webUrl('must have no password: use token, tokenFile or tokenCommand').refine(
      (value) => !/[?#]/u.test(value),
      'must have no query and no fragment',
    ),
    namespace,
    template: resourceName,
    templateKind: z
      .enum(['WorkflowTemplate', 'ClusterWorkflowTemplate', 'CronWorkflow'])
      .default('WorkflowTemplate'),
    via: z.enum(['submit', 'create']).default('submit'),
    parameters: z
      .union(
        [
          z.literal('fields'),
          mapping,
          z.custom<ParameterFunction>((value) => typeof value === 'function', 'must be a function'),
        ],
        { error: closestProblem },
      )
      .default('fields'),
    unknownFields: z.enum(['reject', 'ignore']).default('reject'),
    maxParameterBytes: z.int().min(1).max(1_000_000).optional(),
    maxTotalParameterBytes: z.int().min(1).max(1_500_000).default(460_800),
    overridesFrom: path.optional(),
    token: text.meta({ secret: true }).optional(),
    tokenFile: text.optional(),
    tokenCommand: z.array(z.string()).min(1).optional(),
    caFile: text.optional(),
    insecureSkipVerify: z.boolean().default(false),
    instanceId: text.optional(),
    uiUrl: webUrl('must have no password: it is part of reports').optional(),
    requestTimeoutMs: z.int().min(100).max(MAX_SPAN_MS).default(30_000),
    listTimeoutMs: z.int().min(100).max(MAX_SPAN_MS).default(300_000),
    lookupsPerSecond: z.int().min(1).max(10_000).default(200),
    cancel: z.enum(['terminate', 'stop']).default('terminate'),
    retryInPlace: z
      .strictObject({
        on: z.array(z.string().refine(isArgoClass, `must be one of ${ARGO_CLASSES.join(', ')}`)).min(1),
        limit: z.int().min(1).max(100).default(1),
      })
      .optional(),
    deleteFinished: z.enum(['never', 'succeeded', 'all']).default('never'),
    deleteGraceMs: z.int().min(0).max(MAX_SPAN_MS).default(600_000),
    deletionsPerSecond: z.number().positive().max(1_000).default(2),
    logger: z.custom<Logger>(hasMethods('debug', 'info', 'warn', 'error'), 'must be a logger').optional(),
    runtime: z
      .custom<Runtime>(isRuntime, 'must be a Runtime, such as systemRuntime of @sluice/core/backend')
      .optional(),
  })
  .check(checkTogether)

/** The options with the defaults filled in. */
export type ArgoWorkerSettings = z.output<typeof optionsSchema>
/** The mapping of parameters, with the defaults filled in. */
export type MappingSettings = z.output<typeof mapping>

/**
 * The settings with absolute paths, so that a service that is started from another folder reads the same
 * files.
 */
export function withAbsolutePaths(settings: ArgoWorkerSettings, context: PackageContext): ArgoWorkerSettings {
  const absolute = (option: 'tokenFile' | 'caFile'): Partial<ArgoWorkerSettings> => {
    const path = settings[option]
    return path === undefined ? {} : { [option]: resolve(baseDirOf(context, option) ?? '.', path) }
  }
  return { ...settings, ...absolute('tokenFile'), ...absolute('caFile') }
}

/** The options that can't be combined, or not with `via: submit`. */
type Together = Pick<
  ArgoWorkerSettings,
  | 'via'
  | 'templateKind'
  | keyof Overrides
  | 'token'
  | 'tokenFile'
  | 'tokenCommand'
  | 'parameters'
  | 'maxParameterBytes'
>

function checkTogether({ value, issues }: z.core.ParsePayload<Together>): void {
  const tokens = [value.token, value.tokenFile, value.tokenCommand].filter((one) => one !== undefined)
  if (tokens.length > 1) {
    issues.push(issue(value, 'token', 'only one of token, tokenFile and tokenCommand can be given'))
  }
  for (const problem of constantProblems(value)) issues.push(issue(value, 'parameters', problem))
  if (value.via === 'create' && value.templateKind === 'CronWorkflow') {
    issues.push(issue(value, 'via', 'a CronWorkflow can be submitted alone: leave `via` at submit'))
  }
  if (value.via === 'submit') {
    for (const [field, message] of submitProblems(value)) issues.push(issue(value, field, message))
  }
}

function issue(input: unknown, field: string, message: string): z.core.$ZodRawIssue {
  return { code: 'custom', input, path: [field], message }
}

/**
 * What can't be said to the submit endpoint, which takes labels and annotations as one text without any
 * escaping.
 */
export function submitProblems({ spec, annotations }: Overrides): readonly (readonly [string, string])[] {
  const unfit = Object.entries(annotations ?? {}).filter(([, value]) => /[,=]/u.test(value))
  return [
    ...(spec === undefined ? [] : [['spec', 'needs `via: create`'] as const]),
    ...unfit.map(
      ([name]) =>
        ['annotations', `${name} has a comma or an equals sign: that needs \`via: create\``] as const,
    ),
  ]
}

/** For a value that fits none of several shapes: what is wrong by the closest one. */
function closestProblem({ errors }: { readonly errors?: unknown }): string | undefined {
  const close = z.array(z.array(problemSchema)).safeParse(errors).data?.flat() ?? []
  const lines = close
    .filter(({ code, path: at }) => at.length > 0 || code === 'custom')
    .map(({ path: at, message }) => [...at, message].join(': '))
  return lines.length === 0 ? undefined : lines.join('; ')
}

const problemSchema = z.object({
  code: z.string().optional(),
  path: z.array(z.union([z.string(), z.number()])),
  message: z.string(),
})

function readableBy(parse: (value: string) => unknown): z.core.CheckFn<string> {
  return ({ value, issues }) => {
    try {
      parse(value)
    } catch (error) {
      issues.push({
        code: 'custom',
        input: value,
        message: error instanceof Error ? error.message : String(error),
      })
    }
  }
}

function hasMethods(...names: readonly string[]): (value: unknown) => boolean {
  return (value) =>
    typeof value === 'object' &&
    value !== null &&
    names.every((name) => typeof Reflect.get(value, name) === 'function')
}
