import { existsSync } from 'node:fs'
import { isAbsolute, join, resolve as resolvePath } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  SluiceError,
  type OptionsSchema,
  type Queue,
  type QueuePackage,
  type Worker,
  type WorkerPackage,
} from '@sluice/core'
import { resolve as resolveModule } from 'import-meta-resolve'
import { describeIssues } from './config/config-issue.js'
import type { PackageSettings } from './config/config-schema.js'

/** Our own packages by their short names. Any other name is a package's, or a path. */
const SHORT_NAMES = {
  queue: { memory: '@sluice/queue-memory', sql: '@sluice/queue-sql', s3: '@sluice/queue-s3' },
  worker: {
    argo: '@sluice/worker-argo',
    dummy: '@sluice/worker-dummy',
    process: '@sluice/worker-process',
  },
} as const satisfies Record<PackageKind, Record<string, string>>

type PackageKind = 'queue' | 'worker'

/** Where a package is looked for, and how its settings are spoken of. */
export interface OpenOptions {
  /** Directories from which the package is resolved, before the service's own place. */
  readonly baseDirs: readonly string[]
  /** Where a setting comes from, for messages. */
  readonly placeOf?: (path: readonly string[]) => string | undefined
}

/**
 * Loads the package of a queue and opens it. Nothing else is loaded.
 *
 * @param settings the package's name, and its options
 * @throws SluiceError SLUICE_PACKAGE_MISSING with the line that installs it; SLUICE_CONFIG_INVALID when it brings no queue
 * or takes other options; whatever its `openQueue` rejects with
 */
export async function openQueuePackage(settings: PackageSettings, options: OpenOptions): Promise<Queue> {
  const { name, loaded } = await loadPackage('queue', settings.package, options)
  if (!isQueuePackage(loaded)) throw notOurs(name, 'openQueue', 'queue')
  return await loaded.openQueue(await checkedOptions('queue', settings, loaded.optionsSchema, options))
}

/** Loads the package of a worker and opens it; the rest as for {@link openQueuePackage}. */
export async function openWorkerPackage(settings: PackageSettings, options: OpenOptions): Promise<Worker> {
  const { name, loaded } = await loadPackage('worker', settings.package, options)
  if (!isWorkerPackage(loaded)) throw notOurs(name, 'openWorker', 'worker')
  return await loaded.openWorker(await checkedOptions('worker', settings, loaded.optionsSchema, options))
}

async function loadPackage(
  kind: PackageKind,
  given: string,
  options: OpenOptions,
): Promise<{ name: string; loaded: object }> {
  const names: Readonly<Record<string, string>> = SHORT_NAMES[kind]
  const name = Object.hasOwn(names, given) ? (names[given] ?? given) : given
  const url = isPath(name) ? resolveFile(kind, name, options) : resolvePackage(kind, name, options)
  try {
    const loaded: unknown = await import(url)
    return { name, loaded: Object(loaded) }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new SluiceError('SLUICE_CONFIG_INVALID', `The package ${name} can't be loaded: ${reason}`, {
      cause: error,
    })
  }
}

function isPath(name: string): boolean {
  return /^\.{1,2}[\\/]/.test(name) || isAbsolute(name)
}

function resolveFile(kind: PackageKind, path: string, options: OpenOptions): string {
  const candidates = options.baseDirs.map((dir) => resolvePath(dir, path))
  const found = candidates.find((candidate) => existsSync(candidate))
  if (found !== undefined) return pathToFileURL(found).href
  throw new SluiceError(
    'SLUICE_PACKAGE_MISSING',
    `${kind}.package: there is no file ${candidates.join(' or ')}${placed(kind, options)}`,
  )
}

function resolvePackage(kind: PackageKind, name: string, options: OpenOptions): string {
  // The user's own installation comes first: theirs is the version that they chose.
  const parents = options.baseDirs.map((dir) => pathToFileURL(join(dir, 'sluice.config.js')).href)
  for (const parent of [...parents, import.meta.url]) {
    const url = tryResolve(name, parent)
    if (url !== undefined) return url
  }
  throw new SluiceError(
    'SLUICE_PACKAGE_MISSING',
    `The package ${name} is not installed${placed(kind, options)}. Install it with:\n  npm install ${name}`,
  )
}

function tryResolve(name: string, parent: string): string | undefined {
  try {
    return resolveModule(name, parent)
  } catch (error) {
    if (error instanceof Error && 'code' in error && ABSENT.has(String(error.code))) return undefined
    const reason = error instanceof Error ? error.message : String(error)
    throw new SluiceError('SLUICE_CONFIG_INVALID', `The package ${name} can't be loaded: ${reason}`, {
      cause: error,
    })
  }
}

const ABSENT = new Set(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'])

function placed(kind: PackageKind, options: OpenOptions): string {
  const place = options.placeOf?.([kind, 'package'])
  return place === undefined ? '' : ` (${kind}.package in ${place})`
}

async function checkedOptions(
  kind: PackageKind,
  settings: PackageSettings,
  schema: OptionsSchema<unknown> | undefined,
  options: OpenOptions,
): Promise<unknown> {
  const { package: _, ...given } = settings
  if (schema === undefined) return given
  const result = await schema['~standard'].validate(given)
  // The package gets what was written: it checks again, and fills in its defaults itself.
  if (result.issues === undefined) return given
  const places = { schema, prefix: [kind], placeOf: options.placeOf ?? (() => undefined) }
  const lines = describeIssues(result.issues, places)
  throw new SluiceError(
    'SLUICE_CONFIG_INVALID',
    `The options of ${settings.package} are wrong:\n${lines.join('\n')}`,
  )
}

function isQueuePackage(loaded: object): loaded is QueuePackage {
  return 'openQueue' in loaded && typeof loaded.openQueue === 'function'
}

function isWorkerPackage(loaded: object): loaded is WorkerPackage {
  return 'openWorker' in loaded && typeof loaded.openWorker === 'function'
}

function notOurs(name: string, wanted: string, kind: PackageKind): SluiceError {
  return new SluiceError(
    'SLUICE_CONFIG_INVALID',
    `${kind}.package: ${name} brings no ${kind} for Sluice: it exports no function ${wanted}`,
  )
}
