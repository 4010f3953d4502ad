import { bodyValueAt, readBodyPath, type JobRef, type JsonValue } from '@sluice/core'

/** What the parameters of one job are taken from. */
export interface ParameterInput extends JobRef {
  readonly queue: string
  readonly body: JsonValue
}

/** Where a parameter's value comes from, parsed once. */
export type ParameterSource =
  | { readonly kind: 'body'; readonly keys: readonly string[] }
  | { readonly kind: 'job'; readonly field: JobField }
  | { readonly kind: 'text'; readonly text: string }

const JOB_FIELDS = ['id', 'uid', 'attempt', 'queue'] as const
type JobField = (typeof JOB_FIELDS)[number]

/**
 * Parses where a value comes from: `$` is the body and `$.file.path` a field of it; `@id`, `@uid`, `@attempt`
 * and `@queue` are the job's; any other text is itself, and `$$` or `@@` at its start stand for one `$` or
 * `@`.
 *
 * @throws TypeError that says what is wrong
 */
export function parseSource(text: string): ParameterSource {
  if (text.startsWith('$$') || text.startsWith('@@')) return { kind: 'text', text: text.slice(1) }
  if (text.startsWith('$')) return { kind: 'body', keys: parsePath(text) }
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
 * The keys of a path into the body, such as `$.file.path`.
 *
 * @throws TypeError where it is no path
 */
export function parsePath(text: string): readonly string[] {
  if (!text.startsWith('$')) throw new TypeError(`the path ${JSON.stringify(text)} must begin with $`)
  const { keys, end } = readBodyPath(text, 1)
  if (end === text.length) return keys
  throw new TypeError(
    `the path ${JSON.stringify(text)} can't be read from character ${end + 1} on: write $.name, $.list[0] or $['any name']`,
  )
}

/** The value, or `undefined` when the body has none there. */
export function valueAt(source: ParameterSource, input: ParameterInput): JsonValue | undefined {
  if (source.kind === 'text') return source.text
  if (source.kind === 'job') return input[source.field]
  return bodyValueAt(input.body, source.keys)
}
