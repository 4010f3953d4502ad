import leven from 'leven'
import { layerOfEntries, type ConfigLayer } from './config-layer.js'
import { parseText, variableOf } from './setting-text.js'
import { listSettings, OPEN_SECTIONS } from './setting-tree.js'

/** The variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Variables of ours that are no settings. */
const OTHERS = new Set(['SLUICE_CONFIG', 'SLUICE_DEBUG'])
/** Kubernetes sets such variables in every pod beside a Service that is called `sluice` or `sluice-…`. */
const KUBERNETES = /_SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?$|_PORT(_\d+_(TCP|UDP|SCTP)(_[A-Z]+)?)?$/
/** Jobs of the process worker are told so of themselves; a `sluice` that such a job calls must not read them as settings. */
const OF_JOBS = /^SLUICE_(ITEM_ID|ATTEMPT|UID|QUEUE|OUTPUT_DIR)$/

/** The settings of the environment, and what looks like a mistyped one. */
export interface EnvironmentLayer {
  readonly layer: ConfigLayer
  readonly warnings: readonly string[]
}

/**
 * Reads `SLUICE_…`: `service.intervalMs` is `SLUICE_SERVICE_INTERVAL_MS`, an option `poolSize` of the queue's package is
 * `SLUICE_QUEUE_POOL_SIZE`. Values are text where the schema wants text; elsewhere JSON when they are JSON, else text.
 */
export function readEnvironment(env: Environment): EnvironmentLayer {
  const known = new Map(
    listSettings()
      .filter((setting) => !setting.isSection)
      .map((setting) => [variableOf(setting.path), setting]),
  )
  const entries: { path: string; value: unknown; place: string }[] = []
  const warnings: string[] = []
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('SLUICE_') || text === undefined || isForeign(name)) continue
    const setting = known.get(name)
    const path = setting?.path ?? optionPath(name)
    if (path !== undefined)
      entries.push({ path, value: setting?.isText ? text : parseText(text), place: name })
    else warnings.push(...warnOf(name, [...known.keys()]))
  }
  return { layer: layerOfEntries(entries), warnings }
}

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

/** A variable that is nothing of ours may belong to anybody; only what is nearly a setting is worth a word. */
function warnOf(name: string, known: readonly string[]): string[] {
  const near = known.find((other) => leven(other, name) <= 2)
  return near === undefined
    ? []
    : [`the variable ${name} is no setting and is ignored: did you mean ${near}?`]
}
