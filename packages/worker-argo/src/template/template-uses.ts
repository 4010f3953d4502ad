import type { JsonValue } from '@sluice/core'
import { goJsonBytes } from './go-json.js'
import { opensReference } from './kubelet-dollars.js'
import {
  asArray,
  asObject,
  asText,
  isObject,
  PlaceList,
  type JsonObject,
  type Place,
  type Spot,
} from './template-places.js'
import {
  NO_SCOPE,
  OPAQUE,
  parseText,
  parsedPieces,
  type ItemText,
  type Piece,
  type TextScope,
} from './template-text.js'

/** A template and those that it refers to, as far as they could be read. */
export interface TemplateFamily {
  /** What a workflow of it runs by. */
  readonly spec: JsonObject
  /** The specs of other templates, by {@link referenceKey}. */
  readonly others: ReadonlyMap<string, JsonObject>
}

/** Where a template puts the parameters of its workflows. */
export interface TemplateUses {
  readonly places: readonly Place[]
  /** What a parameter is where an item doesn't give it. */
  readonly defaults: ReadonlyMap<string, string>
  /** The template as JSON, those that it refers to among it, with nothing filled in. */
  readonly bytes: number
  /**
   * Some text of it has a `$(` without its `)`, which would go on into the next text of the same template.
   */
  readonly opensReference: boolean
}

/** The key of a `templateRef` or `workflowTemplateRef`. */
export function referenceKey(reference: JsonObject): string {
  return `${reference['clusterScope'] === true ? 'cluster' : 'namespaced'}/${asText(reference['name'])}`
}

/**
 * Finds every use of the workflow's parameters that a run can come to: directly, through arguments and inputs
 * of steps, tasks and hooks, through items, and in the workflow's own fields.
 */
export function templateUses(family: TemplateFamily): TemplateUses {
  const specs = [family.spec, ...family.others.values()]
  return {
    places: new UseWalk(family).places(),
    defaults: defaultsOf(family.spec),
    bytes: specs.reduce((sum, spec) => sum + goJsonBytes(JSON.stringify(spec)), 0),
    opensReference: specs.some((spec) => hasOpenReference(spec)),
  }
}

function hasOpenReference(value: JsonValue): boolean {
  if (typeof value === 'string') return opensReference(value)
  return typeof value === 'object' && value !== null && Object.values(value).some(hasOpenReference)
}

function defaultsOf(spec: JsonObject): ReadonlyMap<string, string> {
  const declared = asArray(asObject(spec['arguments'])['parameters']).map(asObject)
  return new Map(
    declared.map(({ name, value, default: fallback }) => [asText(name), asText(value ?? fallback ?? '')]),
  )
}

/** The templates among which a name is searched. */
interface Home {
  readonly key: string
  readonly spec: JsonObject
}

/** More than that is no template of practice, but one that calls itself with ever longer texts. */
const MAX_CALLS = 500
const MAX_CALL_LENGTH = 50_000

/** Fields of a template for which it isn't known whether dollars are expanded in them. */
const UNSEEN_OF_TEMPLATE = new Set(['data', 'http', 'plugin', 'archiveLocation', 'podSpecPatch'])
const CONTAINERS = new Set(['container', 'script', 'sidecars', 'initContainers'])

/** Where a field of a template is. */
interface Within {
  readonly home: Home
  readonly spot: Spot
}

class UseWalk {
  readonly #family: TemplateFamily
  readonly #found = new PlaceList()
  readonly #calls = new Set<string>()
  readonly #text: string

  constructor(family: TemplateFamily) {
    this.#family = family
    this.#text = JSON.stringify([family.spec, ...family.others.values()])
  }

  places(): readonly Place[] {
    const { spec } = this.#family
    const home = { key: '', spec }
    const { templates: _, templateDefaults: __, arguments: given, hooks, entrypoint, onExit, ...rest } = spec
    this.#arguments(given)
    for (const [field, value] of Object.entries(rest)) this.#workflowField(field, value)
    for (const name of [entrypoint, onExit]) {
      if (typeof name === 'string' && name !== '') this.#callRoot(name, home)
    }
    for (const [name, hook] of Object.entries(asObject(hooks)))
      this.#call(asObject(hook), home, { where: `hook ${name}`, scope: NO_SCOPE })
    return this.#found.places
  }

  #arguments(given: JsonValue | undefined): void {
    const { parameters, artifacts } = asObject(given)
    this.#found.addArtifacts(artifacts, { where: 'the arguments', scope: NO_SCOPE })
    // A default that is made of other parameters lands where its own lands.
    this.#found.add('unknown', parameters, { where: 'the parameters of the workflow', scope: NO_SCOPE })
  }

  #workflowField(field: string, value: JsonValue): void {
    const spot = { where: `${field} of the workflow`, scope: NO_SCOPE }
    const annotations = field === 'workflowMetadata' && /workflow\.annotations/u.test(this.#text)
    const unseen = field === 'podSpecPatch' || field === 'artifactGC' || annotations
    this.#found.add(unseen ? 'unknown' : 'verbatim', value, spot)
  }

  /**
   * A template that the workflow itself calls: its inputs are the workflow's parameters of the same names.
   */
  #callRoot(name: string, home: Home): void {
    const declared = asArray(asObject(home.spec['arguments'])['parameters']).map(
      (one) => asObject(one)['name'],
    )
    const given = declared.map((one): [string, readonly Piece[]] => [
      asText(one),
      [{ kind: 'parameter', name: asText(one), how: 'plain' }],
    ])
    this.#enter({ template: name }, home, new Map(given))
  }

  /** A step, a task or a hook. */
  #call(call: JsonObject, home: Home, { where, scope }: Spot): void {
    const { template: _, templateRef: __, inline: ___, arguments: given, hooks, onExit, ...rest } = call
    const { withItems, withParam, withSequence, name: ____, ...others } = rest
    for (const each of [withItems, withParam, withSequence]) this.#found.add('passed', each, { where, scope })
    this.#found.add('verbatim', others, { where, scope })
    for (const item of itemsOf(rest, scope)) {
      const spot = { where, scope: { ...scope, item } }
      this.#enter(call, home, this.#passed(asObject(given), spot))
      for (const hook of Object.values(asObject(hooks))) this.#call(asObject(hook), home, spot)
      if (typeof onExit === 'string') this.#enter({ template: onExit }, home, new Map())
    }
  }

  /** The arguments of a call, by name. */
  #passed(given: JsonObject, { where, scope }: Spot): ReadonlyMap<string, readonly Piece[]> {
    const spot = { where: `arguments of ${where}`, scope }
    this.#found.addArtifacts(given['artifacts'], spot)
    const passed = new Map<string, readonly Piece[]>()
    for (const { name, value, valueFrom } of asArray(given['parameters']).map(asObject)) {
      this.#found.add('passed', [value ?? null, valueFrom ?? null], spot)
      if (value !== undefined && value !== null) passed.set(asText(name), parseText(asText(value), scope))
      else passed.set(asText(name), computedPieces(valueFrom, scope))
    }
    return passed
  }

  #enter(call: JsonObject, home: Home, given: ReadonlyMap<string, readonly Piece[]>): void {
    const target = this.#target(call, home)
    if (target === undefined) this.#found.addUnknown('a template that could not be read')
    else this.#template(target.template, target.home, given)
  }

  #target(call: JsonObject, home: Home): { readonly template: JsonObject; readonly home: Home } | undefined {
    const { template: name, templateRef, inline } = call
    if (isObject(inline)) return { template: inline, home }
    if (isObject(templateRef)) {
      const key = referenceKey(templateRef)
      const spec = this.#family.others.get(key)
      return spec && templateIn({ key, spec }, templateRef['template'])
    }
    return templateIn(home, name)
  }

  #template(template: JsonObject, home: Home, given: ReadonlyMap<string, readonly Piece[]>): void {
    const inputs = inputsOf(template, given)
    const call = JSON.stringify([home.key, template['name'] ?? template, [...inputs]])
    if (this.#calls.has(call)) return
    this.#calls.add(call)
    if (this.#calls.size > MAX_CALLS || call.length > MAX_CALL_LENGTH)
      return this.#found.addUnknown('more calls than can be followed')
    const spot = { where: `template ${asText(template['name'] ?? 'inline')}`, scope: { inputs } }
    const defaults = asObject(this.#family.spec['templateDefaults'])
    for (const [field, value] of [...Object.entries(defaults), ...Object.entries(template)])
      this.#field([field, value], { home, spot })
  }

  #field([field, value]: readonly [string, JsonValue], { home, spot }: Within): void {
    const found = this.#found
    if (CONTAINERS.has(field))
      for (const one of Array.isArray(value) ? value : [value]) found.addContainer(one, spot)
    else if (field === 'containerSet') this.#containerSet(asObject(value), spot)
    else if (field === 'inputs') this.#inputs(asObject(value), spot)
    else if (field === 'outputs') this.#outputs(asObject(value), spot)
    else if (field === 'resource') {
      const { manifest, ...rest } = asObject(value)
      found.addTemplateText(manifest, { ...spot, where: `manifest of ${spot.where}` })
      found.add('unknown', rest, spot)
    } else if (field === 'steps') this.#each(asArray(value).flatMap(stepsOf), home, spot)
    else if (field === 'dag') {
      const { tasks, ...rest } = asObject(value)
      this.#each(asArray(tasks), home, spot)
      found.add('verbatim', rest, spot)
    } else
      found.add(UNSEEN_OF_TEMPLATE.has(field) ? 'unknown' : 'verbatim', value, {
        ...spot,
        where: `${field} of ${spot.where}`,
      })
  }

  #each(calls: readonly JsonValue[], home: Home, { where, scope }: Spot): void {
    for (const call of calls.map(asObject))
      this.#call(call, home, { where: `${asText(call['name'])} of ${where}`, scope })
  }

  #containerSet({ containers, ...rest }: JsonObject, spot: Spot): void {
    for (const one of asArray(containers)) this.#found.addContainer(one, spot)
    this.#found.add('verbatim', rest, spot)
  }

  #inputs({ parameters, artifacts, ...rest }: JsonObject, spot: Spot): void {
    this.#found.addArtifacts(artifacts, spot)
    // Their values are followed to where they land.
    this.#found.add('passed', parameters, spot)
    this.#found.add('verbatim', rest, spot)
  }

  #outputs({ parameters, ...rest }: JsonObject, { where, scope }: Spot): void {
    this.#found.add('unknown', rest, { where: `outputs of ${where}`, scope })
    for (const { name, globalName, valueFrom, ...others } of asArray(parameters).map(asObject)) {
      const spot = { where: `output ${asText(name)} of ${where}`, scope }
      // Read by another template, it lands in another place too.
      const read = [name, globalName].some((one) => typeof one === 'string' && this.#isRead(one))
      const { default: fallback, path, jsonPath, jqFilter, ...sources } = asObject(valueFrom)
      if (read) this.#found.add('unknown', fallback, spot)
      else this.#found.addTemplateText(fallback, spot)
      this.#found.add('unknown', [path ?? null, jsonPath ?? null, jqFilter ?? null], spot)
      this.#found.add(read ? 'unknown' : 'verbatim', [others, sources, globalName ?? null], spot)
    }
  }

  #isRead(output: string): boolean {
    return (
      /outputs\s*(?:\.\s*parameters\s*)?\[/u.test(this.#text) ||
      this.#text.includes(`outputs.parameters.${output}`)
    )
  }
}

function templateIn(home: Home, name: JsonValue | undefined) {
  const template = asArray(home.spec['templates'])
    .map(asObject)
    .find((one) => one['name'] === name)
  return template && { template, home }
}

/** A group of steps is a list, or in older templates an object with one. */
function stepsOf(group: JsonValue): readonly JsonValue[] {
  return Array.isArray(group) ? group : asArray(asObject(group)['steps'] ?? [group])
}

function inputsOf(
  template: JsonObject,
  given: ReadonlyMap<string, readonly Piece[]>,
): ReadonlyMap<string, readonly Piece[]> {
  const declared = asArray(asObject(template['inputs'])['parameters']).map(asObject)
  return new Map(
    declared.map(({ name, value, default: fallback, valueFrom }): [string, readonly Piece[]] => {
      const own = value ?? fallback
      const pieces =
        given.get(asText(name)) ??
        (own === undefined || own === null
          ? computedPieces(valueFrom, NO_SCOPE)
          : parseText(asText(own), NO_SCOPE))
      return [asText(name), pieces]
    }),
  )
}

/** For a value that comes from elsewhere: the pieces of the description of its source. */
function computedPieces(valueFrom: JsonValue | undefined, scope: TextScope): readonly Piece[] {
  return parseText(`{{=${JSON.stringify(valueFrom ?? null).replaceAll(/[{}]/gu, ' ')}}}`, scope)
}

/** What `{{item}}` may be in one call; without items there is one call with none. */
function itemsOf(
  { withItems, withParam, withSequence }: JsonObject,
  scope: TextScope,
): readonly (ItemText | undefined)[] {
  const [filled, fixed] = [true, false].map((tagged) =>
    asArray(withItems).filter((item) => JSON.stringify(item).includes('{{') === tagged),
  )
  const items: ItemText[] = (filled ?? []).map((item) => itemText(item, scope))
  // Items that no value is put into are all the same here.
  if (fixed?.[0] !== undefined) items.push({ whole: OPAQUE })
  if (typeof withParam === 'string') items.push({ whole: parsedPieces(parseText(withParam, scope)) })
  if (isObject(withSequence)) items.push({ whole: computedPieces(withSequence, scope) })
  return items.length === 0 ? [undefined] : items
}

function itemText(item: JsonValue, scope: TextScope): ItemText {
  if (!isObject(item)) return { whole: parseText(asText(item), scope) }
  const fields = Object.entries(item).map(([key, value]) => [key, parseText(asText(value), scope)] as const)
  return { whole: parseText(asText(item), scope), fields: new Map(fields) }
}
