import type { JsonValue } from '@sluice/core'
import { ArgoRefusal } from '../server/answer.js'
import { isObject, type JsonObject } from '../argo-workflow.js'

/**
 * The type that Go decodes a value into. `any` is kept as it is; a list has such values; an object has these
 * fields.
 */
export type Shape =
  | 'string'
  | 'number'
  | 'boolean'
  | 'any'
  | 'object'
  | 'map'
  | readonly [Shape]
  | { readonly [field: string]: Shape }

/** The body of a submit. */
export const submitShape = {
  namespace: 'string',
  resourceKind: 'string',
  resourceName: 'string',
  submitOptions: {
    name: 'string',
    generateName: 'string',
    entryPoint: 'string',
    parameters: ['string'],
    serviceAccount: 'string',
    labels: 'string',
    annotations: 'string',
    priority: 'number',
    podPriorityClassName: 'string',
    dryRun: 'boolean',
    serverDryRun: 'boolean',
    ownerReference: 'object',
    artifacts: ['string'],
  },
} as const satisfies Shape

/** The body of a create. */
export const createShape = {
  namespace: 'string',
  serverDryRun: 'boolean',
  createOptions: { dryRun: ['string'] },
  workflow: {
    metadata: {
      name: 'string',
      generateName: 'string',
      namespace: 'string',
      labels: 'map',
      annotations: 'map',
      ownerReferences: ['object'],
      finalizers: ['string'],
    },
    spec: 'object',
  },
} as const satisfies Shape

/** The bodies of all actions together. */
export const actionShape = {
  namespace: 'string',
  nodeFieldSelector: 'string',
  restartSuccessful: 'boolean',
  memoized: 'boolean',
  parameters: ['string'],
  message: 'string',
  phase: 'string',
  outputParameters: 'string',
} as const satisfies Shape

/**
 * Decodes as Go does: keys in any case, unknown keys dropped, `null` for nothing.
 *
 * @throws ArgoRefusal 400 where a value is of another type
 */
export function decoded(
  value: JsonObject,
  shape: { readonly [field: string]: Shape },
  path = '',
): JsonObject {
  const fields: Record<string, JsonValue> = {}
  const names = new Map(Object.keys(shape).map((name) => [name.toLowerCase(), name]))
  for (const [key, inner] of Object.entries(value)) {
    const name = names.get(key.toLowerCase())
    const wanted = name === undefined ? undefined : shape[name]
    if (name === undefined || wanted === undefined || inner === null) continue
    fields[name] = decodedValue(inner, wanted, path === '' ? name : `${path}.${name}`)
  }
  return fields
}

function decodedValue(value: JsonValue, shape: Shape, path: string): JsonValue {
  if (shape === 'any') return value
  if (isList(shape)) {
    if (!Array.isArray(value)) throw mismatch(value, '[]string', path)
    return value.map((one) => decodedValue(one, shape[0], path))
  }
  if (typeof shape === 'object') return decoded(objectOf(value, path), shape, path)
  if (shape === 'object') return objectOf(value, path)
  if (shape === 'map') {
    const odd = Object.values(objectOf(value, path)).find((one) => typeof one !== 'string')
    if (odd !== undefined) throw mismatch(odd, 'string', path)
    return value
  }
  if (typeof value !== shape) throw mismatch(value, GO_TYPES[shape], path)
  return value
}

const GO_TYPES = { string: 'string', number: 'int32', boolean: 'bool' } as const

function isList(shape: Shape): shape is readonly [Shape] {
  return Array.isArray(shape)
}

function objectOf(value: JsonValue, path: string): JsonObject {
  if (!isObject(value)) throw mismatch(value, 'object', path)
  return value
}

function mismatch(value: JsonValue, type: string, path: string): ArgoRefusal {
  const given = Array.isArray(value) ? 'array' : typeof value
  const name = given === 'boolean' ? 'bool' : given
  return new ArgoRefusal(3, `json: cannot unmarshal ${name} into Go struct field ${path} of type ${type}`)
}
