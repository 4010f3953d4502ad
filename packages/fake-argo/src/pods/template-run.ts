import type { JsonValue } from '@sluice/core'
import { asArray, asObject, asText, isObject, type JsonObject } from '../argo-workflow.js'

/** What a run of a workflow goes by. */
export interface RunInput {
  /** Its template with its own fields on top. */
  readonly spec: JsonObject
  /** What is known in `{{workflow.…}}`, without that prefix. */
  readonly workflow: ReadonlyMap<string, string>
  /** The parameters of the workflow. */
  readonly parameters: ReadonlyMap<string, string>
  /** The spec of another template. */
  readonly find: (name: string, clusterScope: boolean) => JsonObject | undefined
}

/** One template that is run, with everything put in. */
export interface RunNode {
  /** The steps and tasks that led to it. */
  readonly path: readonly string[]
  readonly template: JsonObject
  /** The `when` of each call on the way, as it is evaluated. */
  readonly when: readonly string[]
}

interface Home {
  readonly spec: JsonObject
}

/** A template with more levels calls itself. */
const MAX_DEPTH = 20

/** The nodes of a workflow that have no others below them, in the order in which they come. */
export function runTemplates(input: RunInput): readonly RunNode[] {
  const run = new TemplateRun(input)
  run.enter({ template: input.spec['entrypoint'] ?? '' }, input, {
    args: input.parameters,
    path: [],
    when: [],
  })
  return run.nodes
}

interface Way {
  readonly args: ReadonlyMap<string, string>
  readonly path: readonly string[]
  readonly when: readonly string[]
}

class TemplateRun {
  readonly nodes: RunNode[] = []
  readonly #input: RunInput
  readonly #workflow: Lookup

  constructor(input: RunInput) {
    this.#input = input
    this.#workflow = lookupOf('workflow', input.parameters, input.workflow)
  }

  enter(call: JsonObject, home: Home, way: Way): void {
    const found = this.#target(call, home)
    if (found === undefined || way.path.length > MAX_DEPTH) return
    const defaults = asObject(this.#input.spec['templateDefaults'])
    const declared = merged(defaults, found.template)
    // First the workflow's references, then the node's: the second substitution reads the result of the
    // first.
    const known = asObject(substituted(declared, this.#workflow))
    const inputs = inputsOf(known, way.args)
    const template = withInputs(asObject(substituted(known, lookupOf('inputs', inputs))), inputs)
    const calls = callsOf(template)
    if (calls === undefined) this.nodes.push({ path: way.path, when: way.when, template })
    else for (const each of calls) this.#call(each, found.home, way)
  }

  #call(call: JsonObject, home: Home, way: Way): void {
    for (const [index, one] of expanded(call).entries()) {
      const name = asText(one['name']) ?? ''
      const when = asText(one['when'])
      if (when?.trim() === 'false') continue
      const next = {
        args: argumentsOf(one),
        path: [...way.path, one === call ? name : `${name}(${index})`],
        when: when === undefined ? way.when : [...way.when, when],
      }
      this.enter(one, home, next)
    }
  }

  #target({ template: name, templateRef, inline }: JsonObject, home: Home) {
    if (isObject(inline)) return { template: inline, home }
    if (!isObject(templateRef)) return templateIn(home, name)
    const spec = this.#input.find(asText(templateRef['name']) ?? '', templateRef['clusterScope'] === true)
    return spec && templateIn({ spec }, templateRef['template'])
  }
}

function templateIn(home: Home, name: JsonValue | undefined) {
  const template = asArray(home.spec['templates'])
    .map(asObject)
    .find((one) => one['name'] === name)
  return template && { template, home }
}

function callsOf(template: JsonObject): readonly JsonObject[] | undefined {
  if (template['steps'] !== undefined) return asArray(template['steps']).flatMap(asArray).map(asObject)
  if (template['dag'] !== undefined) return asArray(asObject(template['dag'])['tasks']).map(asObject)
  return undefined
}

function inputsOf(template: JsonObject, args: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const declared = asArray(asObject(template['inputs'])['parameters']).map(asObject)
  return new Map(
    declared.map(({ name, value, default: fallback }) => {
      const key = asText(name) ?? ''
      return [key, args.get(key) ?? asText(value) ?? asText(fallback) ?? '']
    }),
  )
}

/** The template as its pod is told it: with the values of its inputs. */
function withInputs(template: JsonObject, inputs: ReadonlyMap<string, string>): JsonObject {
  if (inputs.size === 0) return template
  const parameters = [...inputs].map(([name, value]) => ({ name, value }))
  return { ...template, inputs: { ...asObject(template['inputs']), parameters } }
}

function argumentsOf(call: JsonObject): ReadonlyMap<string, string> {
  const given = asArray(asObject(call['arguments'])['parameters']).map(asObject)
  return new Map(given.map(({ name, value }) => [asText(name) ?? '', asText(value) ?? '']))
}

/** One call for each of its items. */
function expanded(call: JsonObject): readonly JsonObject[] {
  const { withItems, withParam, ...rest } = call
  const items = typeof withParam === 'string' ? parsedList(withParam) : withItems
  if (items === undefined) return [call]
  return asArray(items).map((item) => asObject(substituted(rest, itemLookup(item))))
}

function parsedList(text: string): JsonValue {
  const list: JsonValue = JSON.parse(text)
  return list
}

/** What a reference stands for; `undefined`: it is left as it is. */
type Lookup = (reference: string) => string | undefined

function lookupOf(
  prefix: 'workflow' | 'inputs',
  parameters: ReadonlyMap<string, string>,
  others: ReadonlyMap<string, string> = new Map(),
): Lookup {
  const start = `${prefix}.parameters.`
  return (reference) => {
    if (reference === `${prefix}.parameters` || reference === `${prefix}.parameters.json`)
      return (
        parameters.get('json') ?? JSON.stringify([...parameters].map(([name, value]) => ({ name, value })))
      )
    if (reference.startsWith(start)) return parameters.get(reference.slice(start.length))
    return reference.startsWith(`${prefix}.`) ? others.get(reference.slice(prefix.length + 1)) : undefined
  }
}

function itemLookup(item: JsonValue): Lookup {
  return (reference) => {
    if (reference === 'item') return itemText(item)
    if (!reference.startsWith('item.')) return undefined
    const field = asObject(item)[reference.slice('item.'.length)]
    return field === undefined ? undefined : itemText(field)
  }
}

function itemText(value: JsonValue): string {
  return asText(value) ?? JSON.stringify(value)
}

/**
 * A value with what is known put into its texts. Of expressions, those that only name something are
 * evaluated.
 */
function substituted(value: JsonValue, lookup: Lookup): JsonValue {
  if (typeof value === 'string') return filled(value, lookup)
  if (Array.isArray(value)) return value.map((one: JsonValue) => substituted(one, lookup))
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, substituted(one, lookup)]))
}

function filled(text: string, lookup: Lookup): string {
  if (!text.includes('{{')) return text
  return text.replaceAll(/\{\{(.*?)\}\}/gs, (whole, inner: string) => {
    const reference = inner.trim()
    const name = reference.startsWith('=') ? pathOf(reference.slice(1).trim()) : reference
    return lookup(name) ?? whole
  })
}

/** `workflow.parameters['a-b']` as `workflow.parameters.a-b`. */
function pathOf(expression: string): string {
  return expression.replaceAll(/\[\s*(["'])(.*?)\1\s*\]/g, '.$2')
}

function merged(below: JsonObject, above: JsonObject): JsonObject {
  const both = Object.entries(above).map(([field, value]) => {
    const under = below[field]
    return [field, isObject(under) && isObject(value) ? merged(under, value) : value] as const
  })
  return { ...below, ...Object.fromEntries(both) }
}
