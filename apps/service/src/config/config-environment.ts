import leven from 'leven'
import { layerOfEntries, type ConfigLayer } from './config-layer.js'
import { parseText, variableOf } from './setting-text.js'
import type { Setting } from './setting-tree.js'

/** The environment variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Sluice's variables that are not settings. */
const OTHERS = new Set(['SLUICE_CONFIG', 'SLUICE_DEBUG'])
/** Kubernetes sets these variables in every pod for a Service named `sluice` or `sluice-…`. */
const KUBERNETES = /_SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?$|_PORT(_\d+_(TCP|UDP|SCTP)(_[A-Z]+)?)?$/
/**
 * worker-process sets these variables for its jobs; a `sluice` called by a job must not read them as
 * settings.
 */
const OF_JOBS = /^SLUICE_(ITEM_ID|ATTEMPT|UID|QUEUE|OUTPUT_DIR)$/

/** The settings of the environment, and warnings about mistyped ones. */
export interface EnvironmentLayer {
  readonly layer: ConfigLayer
  readonly warnings: readonly string[]
}

/**
 * Reads `SLUICE_…`: `service.intervalMs` is `SLUICE_SERVICE_INTERVAL_MS`, an option `poolSize` of the
 * queue's package is `SLUICE_QUEUE_POOL_SIZE`. A value is text where the schema expects text; elsewhere it is
 * parsed as JSON where possible.
 */
export async function readEnvironment(env: Environment): Promise<EnvironmentLayer> {
  const given = Object.entries(env).filter(([name]) => name.startsWith('SLUICE_') && !isForeign(name))
  // Loaded only then: the tree of the settings takes longer than to read a small file.
  return given.length === 0 ? NONE : readVariables(given, (await import('./setting-tree.js')).listSettings())
}

const NONE: EnvironmentLayer = { layer: layerOfEntries([]), warnings: [] }

function readVariables(
  given: readonly (readonly [string, string | undefined])[],
  settings: readonly Setting[],
): EnvironmentLayer {
  const known = new Map(
    settings.filter((setting) => !setting.isSection).map((setting) => [variableOf(setting.path), setting]),
  )
  const entries: { path: string; value: unknown; place: string }[] = []
  const warnings: string[] = []
  for (const [name, text] of given) {
    if (text === undefined) continue
    const setting = known.get(name)
    const path = setting?.path ?? optionPath(name)
    if (path !== undefined)
      entries.push({ path, value: setting?.isText ? text : parseText(text), place: name })
    else warnings.push(...warnOf(name, [...known.keys()]))
  }
  return { layer: layerOfEntries(entries), warnings }
}

/** The sections with options of a package. */
const OPEN_SECTIONS: readonly string[] = ['queue', 'worker']

function isForeign(name: string): boolean {
  return OTHERS.has(name) || KUBERNETES.test(name) || OF_JOBS.test(name)
}

function optionPath(name: string): string | undefined {
  const section = OPEN_SECTIONS.find((section) => name.startsWith(`SLUICE_${section.toUpperCase()}_`))
  if (section === undefined) return undefined
  const words = name.slice(`SLUICE_${section}_`.length).toLowerCase().split('_')
  const key = words.map((word, index) => (index === 0 ? word : word.charAt(0).toUpperCase() + word.slice(1)))
  return `${section}.${key.join('')}`
}

/** Unknown variables may belong to other programs; only one that is nearly a setting gets a warning. */
function warnOf(name: string, known: readonly string[]): string[] {
  const near = known.find((other) => leven(other, name) <= 2)
  return near === undefined
    ? []
    : [`the variable ${name} is not a setting and is ignored: did you mean ${near}?`]
}
