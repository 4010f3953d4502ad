/** The content of a configuration, by key. */
export type ConfigTree = { [key: string]: unknown }

/** One source of settings. */
export interface ConfigLayer {
  readonly values: ConfigTree
  /**
   * Where this layer sets a setting, for messages: `sluice.config.yaml:12`, `SLUICE_QUEUE_URL`, `--limit`.
   * `undefined` where it does not.
   */
  readonly placeOf: (path: readonly string[]) => string | undefined
}

/** A layer of single settings, each with its variable or flag. */
export function layerOfEntries(
  entries: readonly { readonly path: string; readonly value: unknown; readonly place: string }[],
): ConfigLayer {
  const values: ConfigTree = {}
  for (const { path, value } of entries) setAt(values, path.split('.'), value)
  return {
    values,
    placeOf: (path) => {
      const wanted = path.join('.')
      const related = (other: string): boolean =>
        other === wanted || wanted.startsWith(`${other}.`) || other.startsWith(`${wanted}.`)
      return entries.findLast((entry) => related(entry.path))?.place
    },
  }
}

/**
 * Merges layers by precedence, the last first; sections are merged by key, lists and other values are
 * replaced.
 */
export function mergeLayers(layers: readonly ConfigLayer[]): ConfigTree {
  return layers.reduce<ConfigTree>((merged, layer) => mergeTrees(merged, layer.values), {})
}

/** The value at a path, also a section or a list; `undefined` without one. */
export function valueAt(tree: ConfigTree, path: readonly string[]): unknown {
  let at: unknown = tree
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined
    at = Reflect.get(at, key)
  }
  return at
}

function mergeTrees(under: ConfigTree, over: ConfigTree): ConfigTree {
  const merged: ConfigTree = { ...under }
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key]
    setKey(merged, key, isTree(value) && isTree(below) ? mergeTrees(below, value) : value)
  }
  return merged
}

function setAt(tree: ConfigTree, path: readonly string[], value: unknown): void {
  const [key = '', ...rest] = path
  if (rest.length === 0) return setKey(tree, key, value)
  const below = Object.hasOwn(tree, key) ? tree[key] : undefined
  const section: ConfigTree = isTree(below) ? below : {}
  setKey(tree, key, section)
  setAt(section, rest, value)
}

/** A plain assignment of `__proto__` would change the prototype instead. */
function setKey(tree: ConfigTree, key: string, value: unknown): void {
  Object.defineProperty(tree, key, { value, enumerable: true, configurable: true, writable: true })
}

/** Whether a value is a section: an object, not a list. */
export function isTree(value: unknown): value is ConfigTree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
