import type { JobRef, JsonValue } from '@sluice/core'

/** What the parameters of one job are taken from. */
export interface ParameterInput extends JobRef {
  readonly queue: string
  readonly body: JsonValue
}

/** Where a parameter's value comes from, parsed once. */
export type ParameterSource =
  | { readonly kind: 'body'; readonly path: readonly string[] }
  | { readonly kind: 'job'; readonly field: JobField }
  | { readonly kind: 'text'; readonly text: string }

const JOB_FIELDS = ['id', 'uid', 'attempt', 'queue'] as const
type JobField = (typeof JOB_FIELDS)[number]

/** A step of a path: `.name`, `.0`, `[0]`, `['any name']` or the same with double quotes. */
const STEP = /\.([^.[\]'"\s]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]/uy

/**
 * Parses where a value comes from: `$` is the body and `$.file.path` a field of it; `@id`, `@uid`, `@attempt` and `@queue` are the
 * job's; any other text is itself, and `$$` or `@@` at its start stand for one `$` or `@`.
 *
 * @throws TypeError that says what is wrong
 */
export function parseSource(text: string): ParameterSource {
  if (text.startsWith('$$') || text.startsWith('@@')) return { kind: 'text', text: text.slice(1) }
  if (text.startsWith('$')) return { kind: 'body', path: parsePath(text) }
  if (!text.startsWith('@')) return { kind: 'text', text }
  const field = JOB_FIELDS.find((each) => `@${each}` === text)
  if (field === undefined) {
    const known = JOB_FIELDS.map((each) => `@${each}`).join(', ')
    throw new TypeError(
      `${JSON.stringify(text)} is none of ${known}; a text that begins with @ is written @@`,
    )
  }
  return { kind: 'job', field }
}

/**
 * The steps of a path into the body, such as `$.file.path`.
 *
 * @throws TypeError where it is no path
 */
export function parsePath(text: string): readonly string[] {
  if (!text.startsWith('$')) throw new TypeError(`the path ${JSON.stringify(text)} must begin with $`)
  const steps: string[] = []
  let at = 1
  while (at < text.length) {
    STEP.lastIndex = at
    const match = STEP.exec(text)
    if (match === null) {
      throw new TypeError(
        `the path ${JSON.stringify(text)} can't be read from character ${at + 1} on: write $.name, $.list[0] or $['any name']`,
      )
    }
    steps.push(match[1] ?? match[2] ?? (match[3] ?? match[4] ?? '').replaceAll(/\\(.)/gu, '$1'))
    at = STEP.lastIndex
  }
  return steps
}

/** The value, or `undefined` when the body has none there. */
export function valueAt(source: ParameterSource, input: ParameterInput): JsonValue | undefined {
  if (source.kind === 'text') return source.text
  if (source.kind === 'job') return input[source.field]
  return valueAtPath(input.body, source.path)
}

/** The value at a path, own fields and elements alone; `undefined` when there is none. */
export function valueAtPath(body: JsonValue, path: readonly string[]): JsonValue | undefined {
  return path.reduce<JsonValue | undefined>(child, body)
}

function child(value: JsonValue | undefined, step: string): JsonValue | undefined {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
  return Object.getOwnPropertyDescriptor(value, step)?.value
}
