import type { JsonValue } from '@sluice/core'
import { z } from 'zod'

const text = z.string().nullish()

const parameterSchema = z.object({ name: z.string(), value: z.unknown().optional() })
const outputsSchema = z
  .object({
    parameters: z.array(parameterSchema).nullish(),
    artifacts: z.array(z.object({ name: text })).nullish(),
    exitCode: text,
    result: text,
  })
  .nullish()

const nodeSchema = z.object({
  id: text,
  name: text,
  displayName: text,
  type: text,
  templateName: text,
  phase: text,
  message: text,
  startedAt: text,
  finishedAt: text,
  hostNodeName: text,
  children: z.array(z.string()).nullish(),
  outputs: outputsSchema,
})

const statusSchema = z.object({
  phase: text,
  message: text,
  progress: text,
  startedAt: text,
  finishedAt: text,
  outputs: outputsSchema,
  resourcesDuration: z.record(z.string(), z.number()).nullish(),
  nodes: z.record(z.string(), nodeSchema).nullish(),
})

const metadataSchema = z.object({
  name: z.string(),
  uid: z.string().min(1),
  resourceVersion: text,
  creationTimestamp: text,
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
})

/** The part of a workflow that is read, from any endpoint. */
export const workflowSchema = z.object({
  metadata: metadataSchema,
  spec: z.object({ shutdown: text, suspend: z.boolean().nullish() }).nullish(),
  status: statusSchema.nullish(),
})

export type Workflow = z.output<typeof workflowSchema>
export type WorkflowNode = z.output<typeof nodeSchema>

const argumentSchema = z.object({
  name: z.string(),
  value: z.union([z.string(), z.number(), z.boolean()]).optional(),
})

/** A list of which only the arguments are read. */
export const argumentsSchema = z.object({
  metadata: z.object({ resourceVersion: text }).nullish(),
  items: z
    .array(
      z.object({
        spec: z
          .object({ arguments: z.object({ parameters: z.array(argumentSchema).nullish() }).nullish() })
          .nullish(),
      }),
    )
    .nullish(),
})

/** A page of workflows. An empty one has `items: null`. */
export const workflowListSchema = z.object({
  metadata: z.object({ resourceVersion: text, continue: text }).nullish(),
  items: z.array(workflowSchema).nullable(),
})

export type WorkflowList = z.output<typeof workflowListSchema>

export const ENDED_PHASES = ['Succeeded', 'Failed', 'Error'] as const
export type EndedPhase = (typeof ENDED_PHASES)[number]

/**
 * The phase of a workflow that has ended; `undefined` for any other, a new one without a phase and one of an
 * unknown phase included. It uses the status alone: after a retry the label lags behind.
 */
export function endedPhase({ status }: Workflow): EndedPhase | undefined {
  return ENDED_PHASES.find((phase) => phase === status?.phase)
}

const ACTION = 'workflows.argoproj.io/action'

/**
 * `Stop` or `Terminate`, where it was told to end. Some versions report a success, without a message, when
 * its program then exits 0: nothing else shows it.
 */
export function toldToEnd({ metadata, spec }: Workflow): string | undefined {
  const strategy = spec?.shutdown ?? ''
  if (strategy !== '') return strategy
  const action = metadata.labels?.[ACTION]
  return action === 'Stop' || action === 'Terminate' ? action : undefined
}

/** Whether some step of it is done, as far as its progress says, such as `1/3`. */
export function hasProgress({ status }: Workflow): boolean {
  return /^[1-9]/u.test(status?.progress ?? '')
}

/**
 * Whether it came out of the archive: there it has no outputs and no nodes in lists, and its labels say so.
 */
export function isArchived({ metadata }: Workflow): boolean {
  return metadata.labels?.['workflows.argoproj.io/workflow-archiving-status'] === 'Persisted'
}

/** The parameters of some outputs by name; `undefined` when there are none. */
export function outputParameters(
  outputs: z.output<typeof outputsSchema>,
): Readonly<Record<string, JsonValue>> | undefined {
  const entries = (outputs?.parameters ?? []).flatMap(({ name, value }) =>
    value === undefined || value === null ? [] : [[name, plain(value)] as const],
  )
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

function plain(value: unknown): JsonValue {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? value
    : (JSON.stringify(value) ?? null)
}

/** Epoch ms of an instant as Go writes it; a zero time is `null` there. */
export function instantOf(written: string | null | undefined): number | undefined {
  if (written === null || written === undefined) return undefined
  const instant = Date.parse(written)
  return Number.isNaN(instant) ? undefined : instant
}
