import type { ArgoTemplate } from '@sluice/fake-argo'
import { stringify } from 'yaml'
import * as z from 'zod'
import { sluiceCommand } from '../../cli/invocation.js'
import { shellWord } from '../../output/output.js'

/** The facts that a fake Argo Server prints. */
export interface ArgoFakeFacts {
  readonly url: string
  readonly namespace: string
  readonly token: string
  readonly templates: readonly string[]
  /** An item body for the template of the configuration. */
  readonly exampleBody: Readonly<Record<string, string>>
}

interface Introduced extends Omit<ArgoFakeFacts, 'templates' | 'exampleBody'> {
  readonly templates: readonly ArgoTemplate[]
}

export function factsOf({ url, namespace, token, templates }: Introduced): ArgoFakeFacts {
  return {
    url,
    namespace,
    token,
    templates: templates.map(({ metadata }) => metadata.name),
    exampleBody: exampleBody(shown(templates)),
  }
}

/** A configuration to copy, and the commands that run a workflow. */
export function introduction(of: Introduced, cwd: string): string {
  const { url, templates, exampleBody: body } = factsOf(of)
  const sluice = (args: string): string => sluiceCommand(args, cwd)
  return `A fake Argo Server listens on ${url}. It runs nothing. Ctrl-C ends it and discards its state.
Templates: ${templates.join(', ')}

To try it, in sluice.config.yaml:

${stringify(configOf(of), { lineWidth: 0 })}
And in another terminal, in the folder of that file:

${sluice(`put hello ${shellWord(JSON.stringify(body))}`)}
${sluice('run --until-empty')}
${sluice('show hello')}
${sluice('logs hello')}
`
}

function configOf({ url, namespace, token, templates }: Introduced): object {
  const template = shown(templates)
  return {
    queue: { package: 'sql', name: 'default', url: 'sqlite:.sluice/argo-fake.db' },
    worker: {
      package: 'argo',
      baseUrl: url,
      namespace,
      template: template?.metadata.name ?? '',
      ...(template === undefined || template.kind === 'WorkflowTemplate'
        ? {}
        : { templateKind: template.kind }),
      token,
    },
  }
}

/** The template for the configuration: of the default kind, if there is one. */
function shown(templates: readonly ArgoTemplate[]): ArgoTemplate | undefined {
  return templates.find(({ kind }) => kind === 'WorkflowTemplate') ?? templates[0]
}

const parameterSchema = z.object({
  name: z.string(),
  value: z.union([z.string(), z.number(), z.boolean()]).optional(),
  enum: z.array(z.string()).optional(),
  valueFrom: z.unknown().optional(),
})
const argumentsSchema = z.object({
  arguments: z.object({ parameters: z.array(parameterSchema).optional() }).optional(),
})

/**
 * A value for each parameter: its default, else its first allowed value, else a word. Parameters with
 * `valueFrom` are left out.
 */
function exampleBody(template: ArgoTemplate | undefined): Record<string, string> {
  // In a CronWorkflow it is one level down.
  const spec = template?.spec['workflowSpec'] ?? template?.spec
  const parameters = argumentsSchema.safeParse(spec).data?.arguments?.parameters ?? []
  const given = parameters.filter(({ value, valueFrom }) => value !== undefined || valueFrom === undefined)
  return Object.fromEntries(
    given.map(({ name, value, enum: allowed }) => [name, String(value ?? allowed?.[0] ?? 'hello')]),
  )
}
