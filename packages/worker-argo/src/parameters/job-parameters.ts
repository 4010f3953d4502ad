import { SluiceError, type JobOverrides, type JsonValue } from '@sluice/core'
import { assertJson, bodyValueAt, missingInBody } from '@sluice/core/backend'
import type { ParameterFunction } from '../argo-options.js'
import type { ArgoWorkerSettings, MappingSettings } from '../options.js'
import { parseSource, valueAt, type ParameterInput, type ParameterSource } from './parameter-source.js'
import { isJsonText, parameterText, type TextForm } from './parameter-text.js'

/** The parameters of one job by name. */
export type JobParameters = ReadonlyMap<string, string>

/** A value before it is known where the template puts it. */
export interface ParameterValue {
  readonly text: string
  /** `settled`: its dollars are the mapping's responsibility, or it has none. */
  readonly form: 'text' | 'json' | 'settled'
}

/** Parameters with the overrides of a send in place of, or beside, those of the item. */
export function withOverrides(
  values: ReadonlyMap<string, ParameterValue>,
  overrides: JobOverrides | undefined,
): ReadonlyMap<string, ParameterValue> {
  if (overrides === undefined) return values
  const own = Object.entries(overrides).map(([name, text]) => [name, { text, form: 'text' }] as const)
  return new Map([...values, ...own])
}

/** What Argo takes as the name of a parameter. */
const PARAMETER_NAME = /^[-\w]+$/u

interface MappedParameter {
  readonly name: string
  readonly source: ParameterSource
  readonly form: TextForm
}

type HowToMake = Pick<ArgoWorkerSettings, 'parameters' | 'maxParameterBytes'> &
  Partial<Pick<ArgoWorkerSettings, 'unknownFields'>>

/** Turns items into parameters, as the option `parameters` says. */
export class ParameterMaker {
  readonly #how: ArgoWorkerSettings['parameters']
  readonly #maxBytes: number | undefined
  readonly #ignoresUnknown: boolean
  readonly #mapped: readonly MappedParameter[]

  constructor({ parameters, maxParameterBytes, unknownFields }: HowToMake) {
    this.#how = parameters
    this.#maxBytes = maxParameterBytes
    this.#ignoresUnknown = unknownFields === 'ignore'
    this.#mapped = typeof parameters === 'object' ? parseMapping(parameters) : []
  }

  /**
   * Names and constant values that a mapping surely gives, to be checked against the template at start;
   * `undefined`: known per item alone.
   */
  get mapping(): ReadonlyMap<string, ParameterValue | undefined> | undefined {
    if (typeof this.#how !== 'object') return undefined
    return new Map(this.#mapped.map((one) => [one.name, constantValue(one, this.#maxBytes)]))
  }

  /** @throws SluiceError SLUICE_JOB_REJECTED that names the parameter which can't be made of this item */
  async make(input: ParameterInput): Promise<ReadonlyMap<string, ParameterValue>> {
    const parameters = new Map<string, ParameterValue>()
    for (const { name, value, form } of await this.#values(input)) {
      // An absent value is left out, so that the template's own value holds.
      if (value === undefined || value === null) continue
      // No template can declare a parameter of such a name.
      if (this.#ignoresUnknown && !PARAMETER_NAME.test(name)) continue
      const text = this.#text(input, { name, value, form })
      parameters.set(name, { text, form: fittingForm(value, form) })
    }
    return parameters
  }

  #text(input: ParameterInput, { name, value, form }: Value & { readonly value: JsonValue }): string {
    if (!PARAMETER_NAME.test(name)) {
      throw rejectedItem(
        input.id,
        `${JSON.stringify(name)} is no name of a parameter (letters, digits, - and _). ${mapped(name)}`,
      )
    }
    try {
      return parameterText(value, form, this.#maxBytes)
    } catch (error) {
      throw rejectedItem(input.id, `parameter ${name} ${messageOf(error)}`, error)
    }
  }

  /** Why a parameter has no value: what its path names and the body lacks, or has null for. */
  whyMissing(name: string, input: ParameterInput): string | undefined {
    const keys = this.#keysOf(name, input.body)
    // Of null no parameter is made either: it counts as missing.
    if (keys === undefined || (bodyValueAt(input.body, keys) ?? null) !== null) return undefined
    return missingInBody(input.body, keys)
  }

  /**
   * Where the body should have the value of a parameter. That it lacks a field of the parameter's own name
   * goes without saying.
   */
  #keysOf(name: string, body: JsonValue): readonly string[] | undefined {
    if (this.#how === 'fields') return bodyValueAt(body, [name]) === null ? [name] : undefined
    const source = this.#mapped.find((one) => one.name === name)?.source
    return source?.kind === 'body' ? source.keys : undefined
  }

  async #values(input: ParameterInput): Promise<readonly Value[]> {
    if (typeof this.#how === 'function') return valuesOfFunction(this.#how, input)
    if (this.#how === 'fields') return valuesOfFields(input)
    return this.#mapped.map(({ name, source, form }) => ({ name, form, value: valueAt(source, input) }))
  }
}

/** What to do about a column of a table whose name no parameter can have. */
function mapped(name: string): string {
  const fit = name
    .trim()
    .replaceAll(/[^-\w]+/gu, '-')
    .replaceAll(/^-+|-+$/gu, '')
  const path = `$[${JSON.stringify(name)}]`
  return `Map it to one that is, such as \`parameters: ${JSON.stringify({ [fit === '' ? 'value' : fit]: path })}\`, or set \`unknownFields: ignore\``
}

interface Value {
  readonly name: string
  readonly value: JsonValue | undefined
  readonly form: TextForm
}

/** What is wrong with the constants of a mapping, whatever the item. */
export function constantProblems({ parameters, maxParameterBytes }: HowToMake): readonly string[] {
  if (typeof parameters !== 'object') return []
  return parseMapping(parameters).flatMap((one) => {
    try {
      constantValue(one, maxParameterBytes)
      return []
    } catch (error) {
      return [`${one.name} ${messageOf(error)}`]
    }
  })
}

function constantValue(
  { source, form }: MappedParameter,
  maxBytes: number | undefined,
): ParameterValue | undefined {
  if (source.kind !== 'text') return undefined
  return { text: parameterText(source.text, form, maxBytes), form: fittingForm(source.text, form) }
}

function fittingForm(value: JsonValue, form: TextForm): ParameterValue['form'] {
  if (form !== 'text' && form !== 'json') return 'settled'
  return isJsonText(value, form) ? 'json' : 'text'
}

function parseMapping(mapping: MappingSettings): readonly MappedParameter[] {
  return Object.entries(mapping).map(([name, how]) => {
    if (typeof how === 'string') return { name, source: parseSource(how), form: 'text' }
    if (typeof how === 'object') return { name, source: parseSource(how.from), form: how.as }
    return { name, source: { kind: 'text', text: String(how) }, form: 'text' }
  })
}

function valuesOfFields({ id, body }: ParameterInput): readonly Value[] {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw rejectedItem(
      id,
      'its body is no object, so there are no fields to take parameters from. Map the whole body to one: `parameters: { payload: "$" }`',
    )
  }
  return Object.entries(body).map(([name, value]) => ({ name, value, form: 'text' }))
}

async function valuesOfFunction(make: ParameterFunction, input: ParameterInput): Promise<readonly Value[]> {
  try {
    const made: unknown = await make(input)
    if (typeof made !== 'object' || made === null) throw new TypeError('it gave no object')
    const given = Object.fromEntries(Object.entries(made).filter(([, value]) => value !== undefined))
    assertJson(given, 'parameters')
    return valuesOfFields({ ...input, body: given })
  } catch (error) {
    throw rejectedItem(input.id, `the function \`parameters\` failed: ${messageOf(error)}`, error)
  }
}

/** The item can never become a workflow: it fails. */
export function rejectedItem(itemId: string, why: string, cause?: unknown): SluiceError {
  const message = `Item ${JSON.stringify(itemId)} can't become a workflow: ${why}.`
  return new SluiceError('SLUICE_JOB_REJECTED', message, {
    itemId,
    concerns: 'item',
    ...(cause === undefined ? {} : { cause }),
  })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
