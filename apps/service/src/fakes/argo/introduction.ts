import type { ArgoTemplate } from '@sluice/testkit/argo'
import { stringify } from 'yaml'
import { z } from 'zod'

/** What a stand-in for Argo says of itself. */
export interface ArgoFakeFacts {
  readonly url: string
  readonly namespace: string
  readonly token: string
  readonly templates: readonly string[]
  /** A body for an item that the template of the configuration takes. */
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

/** All that it takes to see a workflow through: a configuration to copy, and commands to run beside it. */
export function introduction(of: Introduced): string {
  const { url, templates, exampleBody: body } = factsOf(of)
  const json = JSON.stringify(body).replaceAll("'", String.raw`'\''`)
  return `A stand-in for Argo Workflows listens on ${url}. Nothing real runs in it. Ctrl-C ends it, and all that it knows.
Templates: ${templates.join(', ')}

To try it, in sluice.config.yaml:

${stringify(configOf(of), { lineWidth: 0 })}
And in another terminal, in the folder of that file:

npx sluice put hello '${json}'
npx sluice run --until-empty
npx sluice show hello
npx sluice logs hello
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

/** The one that the configuration names: of the kind that is the default, if there is one. */
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

/** A value for each parameter: its default, or the first that is allowed, or a word. What a template gets elsewhere is left alone. */
function exampleBody(template: ArgoTemplate | undefined): Record<string, string> {
  // A CronWorkflow's is one level down.
  const spec = template?.spec['workflowSpec'] ?? template?.spec
  const parameters = argumentsSchema.safeParse(spec).data?.arguments?.parameters ?? []
  const given = parameters.filter(({ value, valueFrom }) => value !== undefined || valueFrom === undefined)
  return Object.fromEntries(
    given.map(({ name, value, enum: allowed }) => [name, String(value ?? allowed?.[0] ?? 'hello')]),
  )
}
