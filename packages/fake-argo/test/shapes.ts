import { Ajv, type ValidateFunction } from 'ajv'
import shapes from './argo-shapes.json' with { type: 'json' }

const ARGO = 'io.argoproj.workflow.v1alpha1.'
const INT_OR_STRING = 'io.k8s.apimachinery.pkg.util.intstr.IntOrString'
const TIME = 'io.k8s.apimachinery.pkg.apis.meta.v1.Time'

/** The shapes that answers are held against; bodies of requests too. */
export type ShapeName = keyof typeof NAMES

const NAMES = {
  Workflow: `${ARGO}Workflow`,
  WorkflowList: `${ARGO}WorkflowList`,
  WorkflowWatchEvent: `${ARGO}WorkflowWatchEvent`,
  WorkflowDeleteResponse: `${ARGO}WorkflowDeleteResponse`,
  InfoResponse: `${ARGO}InfoResponse`,
  Version: `${ARGO}Version`,
  WorkflowSubmitRequest: `${ARGO}WorkflowSubmitRequest`,
  WorkflowCreateRequest: `${ARGO}WorkflowCreateRequest`,
  WorkflowSpec: `${ARGO}WorkflowSpec`,
  Error: 'grpc.gateway.runtime.Error',
  StreamError: 'grpc.gateway.runtime.StreamError',
} as const

interface Definition {
  type?: unknown
  format?: string
  properties?: Record<string, unknown>
  additionalProperties?: unknown
}

const { definitions } = shapes as { definitions: Record<string, Definition> }

// Where the document is known to be wrong about the wire: instants may be null, an empty list is null, what
// is a number or text is text alone, a submitted workflow has no field that its type doesn't have, and errors
// have no key `error`.
for (const definition of Object.values(definitions)) {
  if (definition.properties !== undefined) definition.additionalProperties ??= false
}
definitions[INT_OR_STRING] = { type: ['integer', 'string'] }
definitions[TIME] = { type: ['string', 'null'], format: 'date-time' }
properties(NAMES.WorkflowList)['items'] = {
  anyOf: [
    { type: 'null' },
    { type: 'array', minItems: 1, items: { $ref: `#/definitions/${NAMES.Workflow}` } },
  ],
}
delete properties(NAMES.Error)['error']

function properties(name: string): Record<string, unknown> {
  return definitions[name]?.properties ?? {}
}

const ajv = new Ajv({ strict: false, allErrors: true })
ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
ajv.addFormat('int64', true)
ajv.addFormat('int32', true)
ajv.addFormat('byte', true)
ajv.addSchema({ $id: 'argo', definitions })

/** Throws unless a value has the shape. */
export function assertShape(name: ShapeName, value: unknown): void {
  const validate: ValidateFunction | undefined = ajv.getSchema(`argo#/definitions/${NAMES[name]}`)
  if (validate === undefined) throw new Error(`There is no shape ${name}`)
  if (validate(value)) return
  const problems = ajv.errorsText(validate.errors, { dataVar: name })
  throw new Error(`${problems}\n${JSON.stringify(value, undefined, 1).slice(0, 3_000)}`)
}

/** The shape of a successful answer, as far as the document knows. */
export function shapeOf(method: string, path: string): ShapeName | undefined {
  const [resource = '', ...rest] = path
    .replace(/\?.*$/, '')
    .replace(/^\/api\/v1\//, '')
    .split('/')
  if (resource === 'info') return 'InfoResponse'
  if (resource === 'version') return 'Version'
  if (resource !== 'workflows' && resource !== 'archived-workflows') return undefined
  if (method === 'DELETE') return 'WorkflowDeleteResponse'
  const isList = method === 'GET' && rest.length === (resource === 'workflows' ? 1 : 0)
  return isList ? 'WorkflowList' : 'Workflow'
}
