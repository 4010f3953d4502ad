import { readFile } from 'node:fs/promises'
import type { ArgoTemplate } from '@sluice/fake-argo'
import { parseAllDocuments } from 'yaml'
import * as z from 'zod'
import { CommandError } from '../../cli/command-error.js'

const templateSchema = z.looseObject({
  kind: z.enum(['WorkflowTemplate', 'ClusterWorkflowTemplate', 'CronWorkflow']),
  metadata: z.looseObject({ name: z.string().min(1) }),
  spec: z.record(z.string(), z.json()),
})

/**
 * The templates in a YAML file of manifests; other kinds, such as service accounts, are skipped.
 *
 * @throws CommandError INVALID where it can't be read, or has no template
 */
export async function readTemplates(path: string): Promise<ArgoTemplate[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CommandError('INVALID', `The templates can't be read: ${reason}`)
  })
  const templates: ArgoTemplate[] = []
  for (const document of parseAllDocuments(text)) {
    const [problem] = document.errors
    if (problem !== undefined) throw new CommandError('INVALID', `${path} is not YAML: ${problem.message}`)
    const value: unknown = document.toJS()
    if (isTemplate(value)) templates.push(checked(value, path))
  }
  if (templates.length > 0) return templates
  throw new CommandError(
    'INVALID',
    `${path} has no WorkflowTemplate, ClusterWorkflowTemplate or CronWorkflow`,
  )
}

function isTemplate(value: unknown): boolean {
  return templateSchema.shape.kind.safeParse(Object(value).kind).success
}

function checked(value: unknown, path: string): ArgoTemplate {
  const parsed = templateSchema.safeParse(value)
  if (!parsed.success) throw new CommandError('INVALID', `${path}: ${z.prettifyError(parsed.error)}`)
  const { kind, metadata, spec } = parsed.data
  // The fake has one namespace, whatever the file says.
  return { kind, metadata: { name: metadata.name }, spec }
}
