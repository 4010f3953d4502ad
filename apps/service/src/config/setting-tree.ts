import * as z from 'zod/mini'
import { configSchema } from './config-schema.js'

/** A setting of the schema, for the environment, suggestions and the reference. */
export interface Setting {
  /** Such as `service.intervalMs`. */
  readonly path: string
  readonly description: string
  /** As text, such as `integer` or `fail | resend | hold`. */
  readonly type: string
  /** The schema expects text: values are not parsed. */
  readonly isText: boolean
  readonly default?: unknown
  readonly isSection: boolean
}

interface JsonNode {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly items?: JsonNode
  readonly properties?: Readonly<Record<string, JsonNode>>
  readonly const?: unknown
  /** One of several forms, such as `off` or settings by name. */
  readonly anyOf?: readonly JsonNode[]
}

/** The JSON Schema of a configuration file, for editors. */
export function configJsonSchema(): Record<string, unknown> {
  const schema: Record<string, unknown> = z.toJSONSchema(configSchema, { io: 'input' })
  return { ...schema, title: 'Configuration of Sluice' }
}

/** Every setting and section of the schema, in order, without the options of packages. */
export function listSettings(): Setting[] {
  return [...walk('', configJsonSchema())]
}

function* walk(prefix: string, node: JsonNode): Generator<Setting> {
  for (const [key, child] of Object.entries(propertiesOf(node))) {
    if (key === '$schema') continue
    const path = prefix === '' ? key : `${prefix}.${key}`
    const isSection = child.properties !== undefined
    yield {
      path,
      description: child.description ?? '',
      type: typeInWords(child),
      isText: child.type === 'string',
      isSection,
      ...(isSection || child.default === undefined ? {} : { default: child.default }),
    }
    // Either a word, or settings by name.
    for (const part of [child, ...(child.anyOf ?? [])]) yield* walk(path, part)
  }
}

function propertiesOf({ properties, anyOf = [] }: JsonNode): Readonly<Record<string, JsonNode>> {
  return properties ?? anyOf.find((one) => one.properties !== undefined)?.properties ?? {}
}

function typeInWords(node: JsonNode): string {
  if (node.anyOf !== undefined) return node.anyOf.map(typeInWords).join(' | ')
  if (node.const !== undefined) return JSON.stringify(node.const) ?? 'anything'
  if (node.enum !== undefined) return node.enum.map(String).join(' | ')
  if (node.properties !== undefined) return 'settings'
  if (node.type === 'array') return `list of ${node.items?.type ?? 'anything'}s`
  return node.type ?? 'anything'
}
