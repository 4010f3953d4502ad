/** One step into a JSON document: a field, or all members. */
export type PathStep = { readonly key: string } | 'all'

const STEP = /\.([^.[\]'"*\s]+)|\[(?:'([^'\\]+)'|"([^"\\]+)")\]|(\[\*\]|\.\*)/uy

/**
 * Parses a path to items: `$.features[*]`, `$['a b'].*`, `$[*]`.
 *
 * @returns `undefined` for an invalid path
 */
export function parsePath(path: string): readonly PathStep[] | undefined {
  if (!path.startsWith('$')) return undefined
  const steps: PathStep[] = []
  STEP.lastIndex = 1
  while (STEP.lastIndex < path.length) {
    const [, plain, single, double, all] = STEP.exec(path) ?? []
    const key = plain ?? single ?? double
    if (key === undefined && all === undefined) return undefined
    steps.push(key === undefined ? 'all' : { key })
  }
  return steps
}

/** The path in jq's syntax, for messages: `.features[]`. */
export function jqFilter(steps: readonly PathStep[]): string {
  const text = steps.map((step) => (step === 'all' ? '[]' : jqKey(step.key))).join('')
  return text.startsWith('.') ? text : `.${text}`
}

function jqKey(key: string): string {
  return /^[a-zA-Z_]\w*$/u.test(key) ? `.${key}` : `.[${JSON.stringify(key)}]`
}

/** The path of {@link parsePath} to the elements of an array. */
export function pathText(keys: readonly string[]): string {
  return `$${keys.map((key) => (/^[\w-]+$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`)).join('')}[*]`
}
