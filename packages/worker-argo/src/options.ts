import { resolve } from 'node:path'
import { MAX_ID_BYTES, type JsonValue, type Logger, type PackageContext, type Runtime } from '@sluice/core'
import { baseDirOf, isRuntime, utf8Bytes } from '@sluice/core/backend'
import { z } from 'zod'
import { ARGO_CLASSES, isArgoClass } from './workflow/failure-class.js'
import { constantProblems } from './parameters/job-parameters.js'
import { parsePath, parseSource, type ParameterInput } from './parameters/parameter-source.js'
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

/** @param noPassword for one with an @: a password with a slash that was not percent-encoded makes a path of its rest, and a host of what stands before it */
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

/** What may be set for all workflows, and with `overridesFrom` for one. */
export const overridesSchema = z.strictObject({
  /** The template of the workflow that is run. Default: the template's own entrypoint. */
  entrypoint: text.optional(),
  /** The account that the workflow's pods run as. */
  serviceAccount: resourceName.optional(),
  /** Higher ones first where Argo holds workflows back; `item`: the item's own. */
  priority: z.union([z.int().min(-MAX_INT32).max(MAX_INT32), z.literal('item')]).optional(),
  podPriorityClass: resourceName.optional(),
  labels: labels.optional(),
  annotations: annotations.optional(),
  /** More fields of the workflow's spec, such as `ttlStrategy`; with `via: create` alone. */
  spec: z.record(z.string(), z.json()).optional(),
})

export type Overrides = z.output<typeof overridesSchema>

/** The options of `openWorker`: a zod schema, and so a Standard Schema. */
export const optionsSchema = overridesSchema
  .extend({
    /** The queue's name. */
    name: text.refine((value) => utf8Bytes(value) <= MAX_ID_BYTES, `must be at most ${MAX_ID_BYTES} bytes`),
    /** Of the Argo Server, with the path under which it is served if there is one. */
    baseUrl: webUrl('must have no password: use token, tokenFile or tokenCommand').refine(
      (value) => !/[?#]/u.test(value),
      'must have no query and no fragment',
    ),
    namespace,
    /** The name of the template that each item becomes a workflow of. */
    template: resourceName,
    templateKind: z
      .enum(['WorkflowTemplate', 'ClusterWorkflowTemplate', 'CronWorkflow'])
      .default('WorkflowTemplate'),
    /** `submit` asks for the template by its name; `create` sends a manifest, which may have any label, annotation and `spec`. */
    via: z.enum(['submit', 'create']).default('submit'),
    /** Where the workflow's parameters come from: the body's `fields`, a mapping such as `path: $.file.path`, or a function. */
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
    /** Whether an item with a field that the template doesn't declare is rejected, or the field is left out. */
    unknownFields: z.enum(['reject', 'ignore']).default('reject'),
    /**
     * Longest value of a parameter. Default: what Linux passes to a program where the template puts the value, such as 131,070 bytes less the
     * name in a variable; 128,000 where that isn't known.
     */
    maxParameterBytes: z.int().min(1).max(1_000_000).optional(),
    /** Most bytes of one workflow: what is sent as JSON, and the template's own. Kubernetes stores a workflow in one piece. */
    maxTotalParameterBytes: z.int().min(1).max(1_500_000).default(460_800),
    /** A path into the body, such as `$.argo`, to overrides for this one item. Producers of items control it. */
    overridesFrom: path.optional(),
    /** A bearer token. */
    token: text.meta({ secret: true }).optional(),
    /** A file with it, read again when it changes. */
    tokenFile: text.optional(),
    /** A program and its arguments that print it, run again when it is refused. */
    tokenCommand: z.array(z.string()).min(1).optional(),
    /** Certificates in PEM that the server's is to be checked against. */
    caFile: text.optional(),
    /** Whether any certificate is accepted. */
    insecureSkipVerify: z.boolean().default(false),
    /** The instance id that the server must have; `check` says when it hasn't. */
    instanceId: text.optional(),
    /** The address of Argo's UI, for links. Default: `baseUrl`. */
    uiUrl: webUrl('must have no password: it is part of reports').optional(),
    /**
     * Longest wait for the first byte of an answer, in ms. A request ends 10 s after its last byte, and in any case after this time and one
     * second more for each 64 KiB.
     */
    requestTimeoutMs: z.int().min(100).max(MAX_SPAN_MS).default(30_000),
    /** Longest that one list of workflows may take, all its pages together, in ms; polls do without it meanwhile. */
    listTimeoutMs: z.int().min(100).max(MAX_SPAN_MS).default(300_000),
    /** How many workflows may be asked for by name in any second, by polls and look-ups together. */
    lookupsPerSecond: z.int().min(1).max(10_000).default(200),
    /** How a job is cancelled: `stop` lets exit handlers run. */
    cancel: z.enum(['terminate', 'stop']).default('terminate'),
    /** Failures that are retried within the same workflow, its finished steps kept, before they count as failures. */
    retryInPlace: z
      .strictObject({
        /** Classes of failure, such as `evicted`. */
        on: z.array(z.string().refine(isArgoClass, `must be one of ${ARGO_CLASSES.join(', ')}`)).min(1),
        /** How often for one job. */
        limit: z.int().min(1).max(100).default(1),
      })
      .optional(),
    /** Whether a workflow is deleted once its outcome is in the queue. */
    deleteFinished: z.enum(['never', 'succeeded', 'all']).default('never'),
    /**
     * How long a workflow is kept after its outcome is in the queue, in ms. While it is there, its name keeps a dispatcher that lags behind from
     * starting the job once more: longer than any process may be stalled and still go on.
     */
    deleteGraceMs: z.int().min(0).max(MAX_SPAN_MS).default(600_000),
    /** How many of them a second: each costs Argo's controller a listing of pods, of the 20 calls a second that it has. */
    deletionsPerSecond: z.number().positive().max(1_000).default(2),
    logger: z.custom<Logger>(hasMethods('debug', 'info', 'warn', 'error'), 'must be a logger').optional(),
    /** Where time, randomness and ids come from. Default the machine's. */
    runtime: z
      .custom<Runtime>(isRuntime, 'must be a Runtime, such as systemRuntime of @sluice/core/backend')
      .optional(),
  })
  .check(checkTogether)

/** What `openWorker` takes. */
export type ArgoWorkerOptions = z.input<typeof optionsSchema>
/** The same with the defaults filled in. */
export type ArgoWorkerSettings = z.output<typeof optionsSchema>
/** The parameters by name: each a constant, or where its value comes from. */
export type ParameterMapping = z.output<typeof mapping>
/** The parameters of one item; what is `undefined` or `null` is left out. */
export type ParameterFunction = (
  item: ParameterInput,
) =>
  | Readonly<Record<string, JsonValue | undefined>>
  | Promise<Readonly<Record<string, JsonValue | undefined>>>

/** The settings with absolute paths, so that a service that is started from another folder reads the same files. */
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

/** What can't be said to the submit endpoint, which takes labels and annotations as one text without any escaping. */
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
