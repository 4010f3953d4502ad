import { SluiceError, type CheckUse, type Runtime, type Logger } from '@sluice/core'
import { z } from 'zod'
import { isSsoSession, logWarning, restrictedOptions, versionWarnings } from './argo-advice.js'
import type { ArgoApi } from '../api/argo-api.js'
import { argoFailure } from '../api/argo-errors.js'
import { tryDelete, ttlWarning } from './deletion-check.js'
import { nameJob } from '../jobs/job-name.js'
import type { ParameterMaker, ParameterValue } from '../parameters/job-parameters.js'
import { sentBody } from '../sending/manifest.js'
import { logWarningOf } from './optional-access.js'
import type { ArgoWorkerSettings } from '../options.js'
import { mappingProblems } from '../template/template-check.js'
import { usesWith } from '../template/template-family.js'
import type { TemplateKnowledge, TemplateSource } from '../template/template-source.js'
import { fitBlindly, fitValues } from '../template/value-fit.js'
import { judgeRead, judgeSend, type Trouble } from '../api/verdict.js'
import { workflowSchema } from '../workflow/workflow.js'
import { roomBytes } from '../sending/workflow-size.js'
import { selectorOf } from '../workflow/workflow-pages.js'
import { watchRefusal } from '../workflow/workflow-watch.js'

/** No workflow has this name: a request for it changes nothing. */
const NO_WORKFLOW = 'sluice-check'

export interface CheckParts {
  readonly settings: ArgoWorkerSettings
  readonly api: ArgoApi
  readonly template: TemplateSource
  readonly parameters: ParameterMaker
  readonly runtime: Runtime
  readonly logger: Logger
}

/**
 * Tries all that the work needs, and changes nothing: the address, the token, each permission by itself, the
 * template, and whether the mapping of parameters fits it. With `deleteFinished` a workflow that does nothing
 * is made and deleted, since nothing else tries that.
 *
 * @returns how many bytes of parameters one item may have
 * @throws SluiceError SLUICE_CONFIG_INVALID, SLUICE_WORKER_DENIED that names every missing permission,
 * SLUICE_WORKER_UNAVAILABLE
 */
export async function checkAccess(parts: CheckParts, { overrides = [] }: CheckUse = {}): Promise<number> {
  const { settings, template } = parts
  const missing: string[] = []
  const note = (permission: string, why: string | undefined): void => {
    if (why !== undefined) missing.push(`${permission} (${why})`)
  }
  note('list workflows', await refusedRead(parts, `workflows/${settings.namespace}`))
  note('get workflows', await refusedRead(parts, `workflows/${settings.namespace}/${NO_WORKFLOW}`))
  note('create workflows', await refusedCreate(parts))
  note('watch workflows', await watchRefusal(parts))
  const knowledge = await template.read()
  if (knowledge.kind === 'denied') note(`get ${RESOURCES[settings.templateKind]}`, await refusedSubmit(parts))
  if (missing.length > 0) throw lacking(settings, missing)
  checkTemplate(parts, knowledge)
  checkOverrides(parts, overrides, knowledge)
  if (settings.deleteFinished !== 'never') {
    const { refused, warning } = await tryDelete(parts)
    note('delete workflows, for deleteFinished', refused)
    if (missing.length > 0) throw lacking(settings, missing)
    if (warning !== undefined) parts.logger.warn({}, warning)
  }
  const shortLife = ttlWarning(settings, knowledge)
  if (shortLife !== undefined) parts.logger.warn({ template: settings.template }, shortLife)
  const silent = knowledge.kind === 'known' ? logWarning(knowledge.family, settings.spec) : undefined
  if (silent !== undefined) parts.logger.warn({ template: settings.template }, silent)
  const unread = await logWarningOf(parts.api, settings)
  if (unread !== undefined) parts.logger.warn({}, unread)
  template.warn(knowledge)
  await adviseOn(parts)
  return checkRoom(parts, knowledge)
}

/** Warns of what works now, and may not at this controller, or later. */
async function adviseOn({ api, settings, logger }: CheckParts): Promise<void> {
  const { data } = versionSchema.safeParse(jsonOf(judgeRead(await api.get('version'))))
  for (const warning of versionWarnings(data?.version ?? '')) logger.warn({ version: data?.version }, warning)
  if (isSsoSession(await api.authorization())) {
    logger.warn(
      {},
      'the token is that of an SSO session: it ends after some hours, and by an update to Argo 4.1.2; use the token of a service account',
    )
  }
  const options = restrictedOptions(settings)
  if (options.length === 0) return
  logger.warn(
    { options },
    `a controller with templateReferencing Strict or Secure ends every workflow in Error for these options, unless its WORKFLOW_USER_OVERRIDE_ALLOWLIST names their fields; the server doesn't report that setting: ${options.join(', ')}`,
  )
}

const versionSchema = z.object({ version: z.string() })

function jsonOf(verdict: ReturnType<typeof judgeRead>): unknown {
  return verdict.kind === 'done' ? verdict.json : undefined
}

const RESOURCES = {
  WorkflowTemplate: 'workflowtemplates',
  ClusterWorkflowTemplate: 'clusterworkflowtemplates',
  CronWorkflow: 'cronworkflows',
} as const satisfies Record<ArgoWorkerSettings['templateKind'], string>

async function refusedRead({ api, settings }: CheckParts, path: string): Promise<string | undefined> {
  const verdict = judgeRead(
    await api.get(path, {
      'listOptions.limit': '1',
      'listOptions.labelSelector': selectorOf(settings),
      fields: 'metadata',
    }),
  )
  if (verdict.kind === 'done' || verdict.kind === 'absent') return undefined
  return refusal(verdict, settings, 'read workflows')
}

/**
 * A dry run of a workflow that needs no template: Kubernetes itself says whether it may be made, and stores
 * nothing.
 */
async function refusedCreate({ api, settings }: CheckParts): Promise<string | undefined> {
  const workflow = {
    metadata: { generateName: `${NO_WORKFLOW}-`, namespace: settings.namespace },
    spec: { entrypoint: 'nothing', templates: [{ name: 'nothing', suspend: {} }] },
  }
  const { namespace } = settings
  const verdict = judgeSend(
    await api.post(`workflows/${namespace}`, { namespace, serverDryRun: true, workflow }),
  )
  if (verdict.kind === 'done') {
    assertInstance(settings, verdict.json)
    return undefined
  }
  // A policy of the cluster may demand more of a workflow than this one has: that says nothing about those of
  // the template. And where there is no capacity just now, the permission is there.
  const isPermitted =
    verdict.kind === 'rejected' || verdict.kind === 'refused' || verdict.concerns === 'capacity'
  return isPermitted ? undefined : refusal(verdict, settings, 'try to create a workflow')
}

/**
 * From v3.7 on the server reads the template by its own account. Before, a submit takes the caller's
 * permission: a dry run shows it.
 */
async function refusedSubmit({ api, settings }: CheckParts): Promise<string | undefined> {
  const { namespace, template: resourceName, templateKind: resourceKind, via } = settings
  if (via !== 'submit') return undefined
  const body = { namespace, resourceKind, resourceName, submitOptions: { dryRun: true } }
  const verdict = judgeSend(await api.post(`workflows/${namespace}/submit`, body))
  return verdict.kind === 'denied' ? verdict.why : undefined
}

const INSTANCE = 'workflows.argoproj.io/controller-instanceid'

function assertInstance({ instanceId, baseUrl }: ArgoWorkerSettings, json: unknown): void {
  if (instanceId === undefined) return
  const workflow = workflowSchema.safeParse(json)
  const actual = workflow.data?.metadata.labels?.[INSTANCE]
  if (actual === instanceId) return
  const found = actual === undefined ? 'has none' : `has ${JSON.stringify(actual)}`
  throw invalid(
    `the instance id is to be ${JSON.stringify(instanceId)}, and the server at ${baseUrl} ${found}.`,
  )
}

/** @returns why it is refused @throws SluiceError for every other trouble */
function refusal(trouble: Trouble, settings: ArgoWorkerSettings, doing: string): string {
  const { baseUrl, namespace } = settings
  if (trouble.kind === 'denied') return trouble.why
  if (trouble.kind === 'namespace-missing') {
    throw invalid(
      `there is no namespace ${namespace} in the cluster of ${new URL(baseUrl).origin} (${trouble.why}). ` +
        'Correct the option `namespace` (`worker.namespace` in the service), or create the namespace.',
    )
  }
  if (trouble.kind === 'misdirected') {
    throw invalid(
      `what answers at ${baseUrl} is no Argo Server (${trouble.why}). Is the path missing that a proxy serves it under, ` +
        'or is it the address of something else?',
    )
  }
  throw argoFailure(trouble, doing)
}

function lacking({ namespace }: ArgoWorkerSettings, missing: readonly string[]): SluiceError {
  const message =
    `The token of Argo does not permit in namespace ${namespace}: ${missing.join('; ')}. ` +
    'Are token and `namespace` (`worker.namespace`) the right ones? A role with all that is needed is in resources/rbac.yaml of @sluice/worker-argo.'
  return new SluiceError('SLUICE_WORKER_DENIED', message)
}

function checkTemplate({ settings, parameters, logger }: CheckParts, knowledge: TemplateKnowledge): void {
  const { templateKind, template: name, namespace } = settings
  if (knowledge.kind === 'absent') {
    const place = templateKind === 'ClusterWorkflowTemplate' ? '' : ` in namespace ${namespace}`
    throw invalid(`there is no ${templateKind} ${name}${place} (${knowledge.why}).`)
  }
  if (parameters.mapping === undefined) return
  const problems = constantProblems(settings, parameters.mapping, knowledge)
  if (problems.length > 0)
    throw invalid(`the parameters don't fit ${templateKind} ${name}: ${problems.join('; ')}.`)
  logger.debug({ template: name }, 'the parameters fit the template')
}

/** A template without a parameter would run every attempt alike. */
function checkOverrides(
  { settings: { templateKind, template } }: CheckParts,
  overrides: readonly string[],
  knowledge: TemplateKnowledge,
): void {
  if (knowledge.kind !== 'known') return
  const declared = knowledge.parameters.map(({ name }) => name)
  const missing = overrides.find((name) => !declared.includes(name))
  if (missing === undefined) return
  const has = declared.length === 0 ? 'none' : declared.join(', ')
  throw invalid(
    `a retry rule escalates ${missing}, and ${templateKind} ${template} has no parameter of that name; it has ${has}. ` +
      `Declare it in the template with a default value and use it, as in \`podSpecPatch\`, or correct \`escalate.parameter\` in \`retry.rules\`.`,
  )
}

/** What would be wrong with every item. */
function constantProblems(
  settings: ArgoWorkerSettings,
  mapping: ReadonlyMap<string, ParameterValue | undefined>,
  knowledge: TemplateKnowledge,
): readonly string[] {
  const constants = new Map(
    [...mapping].flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
  const { maxParameterBytes } = settings
  if (knowledge.kind === 'denied') return fitBlindly(constants, maxParameterBytes).problems
  if (knowledge.kind !== 'known') return []
  const fit = fitValues(constants, usesWith(knowledge.family, settings), maxParameterBytes)
  const texts = new Map([...mapping.keys()].map((name) => [name, fit.parameters.get(name)]))
  // What can't be read just now is no mistake of the configuration.
  const problems = knowledge.family.unreachable === undefined ? fit.problems : []
  return [...mappingProblems(texts, knowledge.parameters), ...problems]
}

/** @returns the bytes that a template leaves for the parameters of a workflow */
function checkRoom({ settings, parameters }: CheckParts, knowledge: TemplateKnowledge): number {
  const names = [...(parameters.mapping ?? [])].map(([name, value]) => [name, value?.text ?? ''] as const)
  const job = nameJob(settings.name, { id: NO_WORKFLOW, uid: NO_WORKFLOW, attempt: 1 })
  const manifest = { job, parameters: new Map(names), overrides: settings, itemPriority: 0 }
  const body = sentBody(settings, manifest)
  const templateBytes = knowledge.kind === 'known' ? usesWith(knowledge.family, settings).bytes : 0
  const room = roomBytes({ templateBytes, body }, settings)
  if (room > 0) return room
  throw invalid(
    `template ${settings.template}, of ${templateBytes} bytes as JSON, leaves no room for parameters within the ` +
      `${settings.maxTotalParameterBytes} (maxTotalParameterBytes) of a workflow.`,
  )
}

function invalid(why: string): SluiceError {
  return new SluiceError('SLUICE_CONFIG_INVALID', `@sluice/worker-argo can't work as configured: ${why}`)
}
