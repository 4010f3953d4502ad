import { SluiceError } from '@sluice/core'
import type { Environment } from './config-environment.js'
import { isTree, type ConfigTree } from './config-layer.js'
import type { EnvReference } from '../secrets/config-secrets.js'

/**
 * Replaces `{ env: NAME }`, wherever it stands as a value, by the variable's text. So secrets stay out of files, and a
 * `${…}` meant for a job's own shell stays what it is.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID when a variable isn't set
 */
export function resolveReferences(
  tree: ConfigTree,
  env: Environment,
  placeOf: (path: readonly string[]) => string | undefined,
): ResolvedTree {
  const references: EnvReference[] = []
  const resolved = resolveValue(tree, [], (name, path) => {
    const value = env[name]
    references.push({ path, variable: name })
    if (value !== undefined) return value
    const place = placeOf(path)
    const where = place === undefined ? '' : ` (${place})`
    throw new SluiceError(
      'SLUICE_CONFIG_INVALID',
      `${path.join('.')}: the variable ${name} is not set${where}. Set it, or write the value itself.`,
    )
  })
  return { tree: isTree(resolved) ? resolved : tree, references }
}

/** A tree with its references replaced, and what they were. */
export interface ResolvedTree {
  readonly tree: ConfigTree
  readonly references: readonly EnvReference[]
}

type Lookup = (name: string, path: readonly string[]) => string

function resolveValue(value: unknown, path: readonly string[], lookup: Lookup): unknown {
  if (Array.isArray(value)) {
    return value.map((item: unknown, index) => resolveValue(item, [...path, String(index)], lookup))
  }
  // Instances, such as a clock or credentials in a configuration written in TypeScript, are handed on untouched.
  if (!isTree(value) || !isPlain(value)) return value
  const name = referenceIn(value)
  if (path.length > 0 && name !== undefined) return lookup(name, path)
  return Object.fromEntries(
    Object.entries(value).map(([key, below]) => [key, resolveValue(below, [...path, key], lookup)]),
  )
}

/** The variable that a value names, if it is a reference to one. */
export function referenceIn(value: unknown): string | undefined {
  if (!isTree(value) || Object.keys(value).length !== 1) return undefined
  return typeof value['env'] === 'string' ? value['env'] : undefined
}

/** Whether an object is nobody's instance. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
