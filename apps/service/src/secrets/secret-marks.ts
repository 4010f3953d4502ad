import type { OptionsSchema } from '@sluice/core/backend'

/** `true`: always a secret. `'referenced'`: a secret where it is set as `{ env: NAME }`. */
type Mark = true | 'referenced'

/** Whether an option of a package is marked as a secret, by path. */
export type MarkOf = (path: readonly string[]) => Mark | undefined

/**
 * The marks of a package's schema: the keyword `secret` in the JSON Schema of its options, as from zod's
 * `.meta({ secret: true })`. Works with every schema library that supports Standard JSON Schema.
 *
 * @returns `undefined` where the schema has no marks, or can't be read
 * @see https://standardschema.dev/json-schema
 */
export function secretMarks(schema: OptionsSchema<unknown> | undefined): MarkOf | undefined {
  const root = jsonSchemaOf(schema)
  if (root === undefined || !hasMark(root, 0)) return undefined
  return (path) => nodesAt([root], path).flatMap((node) => markIn(node) ?? [])[0]
}

type JsonNode = Readonly<Record<string, unknown>>

/** A schema deeper than this repeats itself. */
const MAX_DEPTH = 16

function jsonSchemaOf(schema: OptionsSchema<unknown> | undefined): JsonNode | undefined {
  const standard: unknown = schema?.['~standard']
  const converter = isNode(standard) ? standard['jsonSchema'] : undefined
  const input = isNode(converter) ? converter['input'] : undefined
  if (typeof input !== 'function') return undefined
  try {
    // A part that JSON Schema can't represent, such as a function, must not hide the rest.
    const options = { target: 'draft-2020-12', libraryOptions: { unrepresentable: 'any' } }
    const made: unknown = Reflect.apply(input, converter, [options])
    return isNode(made) ? made : undefined
  } catch {
    // A schema that can't be converted to JSON Schema has no marks: names and references decide.
    return undefined
  }
}

function hasMark(node: JsonNode, depth: number): boolean {
  if (markIn(node) !== undefined) return true
  if (depth > MAX_DEPTH) return false
  return Object.values(node).some((each) =>
    (Array.isArray(each) ? each : [each]).some(
      (child: unknown) => isNode(child) && hasMark(child, depth + 1),
    ),
  )
}

/** The schemas for a path: several for a union. */
function nodesAt(nodes: readonly JsonNode[], path: readonly string[]): readonly JsonNode[] {
  const open = nodes.flatMap((node) => alternatives(node, 0))
  const [step, ...rest] = path
  if (step === undefined || open.some((node) => markIn(node) !== undefined)) return open
  return nodesAt(
    open.flatMap((node) => childrenAt(node, step)),
    rest,
  )
}

function alternatives(node: JsonNode, depth: number): readonly JsonNode[] {
  if (depth > MAX_DEPTH) return [node]
  const others = ['anyOf', 'oneOf', 'allOf'].flatMap((key) => listOf(node[key]))
  return [node, ...others.flatMap((each) => alternatives(each, depth + 1))]
}

function childrenAt(
  { properties, items, prefixItems, additionalProperties }: JsonNode,
  step: string,
): readonly JsonNode[] {
  const named = isNode(properties) && Object.hasOwn(properties, step) ? [properties[step]] : []
  const listed = /^\d+$/u.test(step)
    ? [items, ...listOf(prefixItems).slice(Number(step), Number(step) + 1)]
    : []
  return [...named, ...listed, ...(named.length === 0 ? [additionalProperties] : [])].filter(isNode)
}

function markIn(node: JsonNode): Mark | undefined {
  const mark = node['secret']
  return mark === true || mark === 'referenced' ? mark : undefined
}

function listOf(value: unknown): readonly JsonNode[] {
  return Array.isArray(value) ? value.filter(isNode) : []
}

function isNode(value: unknown): value is JsonNode {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
