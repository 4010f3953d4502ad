import type { JobOverrides, JsonValue } from '@sluice/core'
import { ANNOTATIONS, annotationsOfJob, labelsOfJob, type JobName } from '../jobs/job-name.js'
import type { JobParameters } from '../parameters/job-parameters.js'
import type { ArgoWorkerSettings, Overrides } from '../options.js'

/** One workflow to be made. */
export interface Manifest {
  readonly job: JobName
  readonly parameters: JobParameters
  /** The options' and the item's, the item's on top. */
  readonly overrides: Overrides
  /** Those of the send, which are among the parameters. */
  readonly jobOverrides?: JobOverrides | undefined
  /** The item's own, for `priority: item`. */
  readonly itemPriority: number
}

type Target = Pick<ArgoWorkerSettings, 'name' | 'namespace' | 'template' | 'templateKind'>

/** The body of `POST …/submit`. */
export function submitBody({ name: queue, namespace, template, templateKind }: Target, manifest: Manifest) {
  const { entrypoint, serviceAccount, podPriorityClass } = manifest.overrides
  const priority = priorityOf(manifest)
  return {
    namespace,
    resourceKind: templateKind,
    resourceName: template,
    submitOptions: {
      name: manifest.job.workflow,
      parameters: [...manifest.parameters].map(([name, value]) => `${name}=${value}`),
      labels: pairs(labelsOf(queue, manifest)),
      annotations: pairs(annotationsOf(queue, manifest)),
      ...(entrypoint === undefined ? {} : { entryPoint: entrypoint }),
      ...(serviceAccount === undefined ? {} : { serviceAccount }),
      ...(priority === undefined ? {} : { priority }),
      ...(podPriorityClass === undefined ? {} : { podPriorityClassName: podPriorityClass }),
    },
  }
}

/**
 * The body of `POST …/workflows/{namespace}`. It has no `generateName`, so that a name that exists is refused
 * as such.
 */
export function createBody({ name: queue, namespace, template, templateKind }: Target, manifest: Manifest) {
  const { entrypoint, serviceAccount, podPriorityClass, spec } = manifest.overrides
  const priority = priorityOf(manifest)
  const clusterScope = templateKind === 'ClusterWorkflowTemplate'
  const templateLabel = clusterScope ? 'cluster-workflow-template' : 'workflow-template'
  return {
    namespace,
    workflow: {
      metadata: {
        name: manifest.job.workflow,
        namespace,
        // The server adds it only to what is submitted.
        labels: { [`workflows.argoproj.io/${templateLabel}`]: template, ...labelsOf(queue, manifest) },
        annotations: annotationsOf(queue, manifest),
      },
      spec: {
        ...spec,
        workflowTemplateRef: { name: template, ...(clusterScope ? { clusterScope } : {}) },
        arguments: { parameters: [...manifest.parameters].map(([name, value]) => ({ name, value })) },
        ...(entrypoint === undefined ? {} : { entrypoint }),
        ...(serviceAccount === undefined ? {} : { serviceAccountName: serviceAccount }),
        ...(priority === undefined ? {} : { priority }),
        ...(podPriorityClass === undefined ? {} : { podPriorityClassName: podPriorityClass }),
      },
    },
  }
}

/** What is sent to make a workflow, as JSON. */
export function sentBody(settings: Target & Pick<ArgoWorkerSettings, 'via'>, manifest: Manifest): string {
  return JSON.stringify(
    settings.via === 'submit' ? submitBody(settings, manifest) : createBody(settings, manifest),
  )
}

/** The request that tries whether Argo accepts a workflow, and stores nothing. */
export function dryRunOf(
  settings: Target & Pick<ArgoWorkerSettings, 'via'>,
  manifest: Manifest,
): { readonly path: string; readonly body: JsonValue } {
  const path = `workflows/${settings.namespace}`
  if (settings.via === 'create') {
    return { path, body: { ...createBody(settings, manifest), createOptions: { dryRun: ['All'] } } }
  }
  const { submitOptions, ...body } = submitBody(settings, manifest)
  return { path: `${path}/submit`, body: { ...body, submitOptions: { ...submitOptions, dryRun: true } } }
}

/** The same, as a dry run of Kubernetes: permission to create, quotas, policies and webhooks apply too. */
export function serverDryRunOf(
  settings: Target & Pick<ArgoWorkerSettings, 'via'>,
  manifest: Manifest,
): { readonly path: string; readonly body: JsonValue } {
  const path = `workflows/${settings.namespace}`
  if (settings.via === 'create')
    return { path, body: { ...createBody(settings, manifest), serverDryRun: true } }
  const { submitOptions, ...body } = submitBody(settings, manifest)
  return {
    path: `${path}/submit`,
    body: { ...body, submitOptions: { ...submitOptions, serverDryRun: true } },
  }
}

const MAX_INT32 = 2_147_483_647

function priorityOf({ overrides: { priority }, itemPriority }: Manifest): number | undefined {
  return priority === 'item' ? Math.max(-MAX_INT32, Math.min(itemPriority, MAX_INT32)) : priority
}

function labelsOf(queue: string, { job, overrides }: Manifest): Record<string, string> {
  return { ...overrides.labels, ...labelsOfJob(queue, job) }
}

function annotationsOf(queue: string, { job, overrides, jobOverrides }: Manifest): Record<string, string> {
  const own = jobOverrides === undefined ? {} : { [ANNOTATIONS.overrides]: encodedOf(jobOverrides) }
  return { ...overrides.annotations, ...annotationsOfJob(queue, job), ...own }
}

function encodedOf(overrides: JobOverrides): string {
  return encodeURIComponent(JSON.stringify(overrides))
}

/**
 * The one text that submit splits at commas and equals signs; ours have neither, and the user's were checked.
 */
function pairs(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key}=${value}`)
    .join(',')
}
