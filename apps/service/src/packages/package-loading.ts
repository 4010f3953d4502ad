import { existsSync } from 'node:fs'
import { isAbsolute, join, resolve as resolvePath } from 'node:path'
import { pathToFileURL } from 'node:url'
import { SluiceError } from '@sluice/core'
import { resolve as resolveModule } from 'import-meta-resolve'
import leven from 'leven'
import type { UnsetReference } from '../config/env-reference.js'
import type { ConfigSecrets } from '../secrets/config-secrets.js'

/** Our own packages by short name. Any other name is that of a package, or a path. */
const SHORT_NAMES = {
  queue: { memory: '@sluice/queue-memory', sql: '@sluice/queue-sql', s3: '@sluice/queue-s3' },
  worker: {
    argo: '@sluice/worker-argo',
    dummy: '@sluice/worker-dummy',
    process: '@sluice/worker-process',
  },
} as const satisfies Record<PackageKind, Record<string, string>>

export type PackageKind = 'queue' | 'worker'

/** How a package is resolved and opened. */
export interface OpenOptions {
  /**
   * Directories from which the package is resolved, before the service's own; the first is the base of
   * relative paths.
   */
  readonly baseDirs: readonly string[]
  /** The base of a relative path in one setting, where it differs. */
  readonly baseDirOf?: (path: readonly string[]) => string
  /** The source of a setting, for messages. */
  readonly placeOf?: (path: readonly string[]) => string | undefined
  /** Options with unset variables: a package with such options is not opened. */
  readonly unset?: readonly UnsetReference[]
  /** Collects the secrets among the options, and redacts them in the package's errors and logs. */
  readonly secrets?: ConfigSecrets
  /** The environment in which the package's libraries find credentials. Default: that of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

/** A package by its setting. */
export interface WantedPackage {
  readonly kind: PackageKind
  /** A short name, a package's name, or a path. */
  readonly given: string
}

/**
 * Loads a package, and nothing else.
 *
 * @returns its full name, and its exports
 * @throws SluiceError SLUICE_PACKAGE_MISSING with the install command; SLUICE_CONFIG_INVALID where it can't
 * be loaded
 */
export async function loadPackage(
  wanted: WantedPackage,
  options: OpenOptions,
): Promise<{ readonly name: string; readonly loaded: object }> {
  const name = fullName(wanted)
  const url = isPath(name) ? resolveFile(wanted.kind, name, options) : resolvePackage(name, options)
  if (url === undefined) throw missing([wanted], options)
  return { name, loaded: await importModule(name, url) }
}

/**
 * Loads a package that a command needs and no setting names.
 *
 * @throws SluiceError SLUICE_PACKAGE_MISSING with the line that installs it; SLUICE_CONFIG_INVALID when it
 * can't be loaded
 */
export async function loadNamed(name: string, options: Pick<OpenOptions, 'baseDirs'>): Promise<object> {
  const url = resolvePackage(name, options)
  if (url === undefined) throw notInstalled(`package ${name} is`, [name])
  return importModule(name, url)
}

async function importModule(name: string, url: string): Promise<object> {
  try {
    const loaded: unknown = await import(url)
    return Object(loaded)
  } catch (error) {
    throw notLoaded(name, error)
  }
}

/**
 * Checks several packages before any is opened, so that one command installs all missing ones.
 *
 * @throws SluiceError SLUICE_PACKAGE_MISSING where more than one is missing
 */
export function assertInstalled(wanted: readonly WantedPackage[], options: OpenOptions): void {
  const absent = wanted.filter((one) => {
    const name = fullName(one)
    return !isPath(name) && resolvePackage(name, options) === undefined
  })
  // A single one is reported when it is opened; so is a path, which npm can't install.
  if (absent.length > 1) throw missing(absent, options)
}

function fullName({ kind, given }: WantedPackage): string {
  const names: Readonly<Record<string, string>> = SHORT_NAMES[kind]
  return Object.hasOwn(names, given) ? (names[given] ?? given) : given
}

function isPath(name: string): boolean {
  return /^\.{1,2}[\\/]/.test(name) || isAbsolute(name)
}

/** The base of a relative path in a setting. */
export function baseDirFor(options: OpenOptions, path: readonly string[]): string {
  return options.baseDirOf?.(path) ?? mainBaseDir(options)
}

/** The default base of relative paths: the directory of the configuration file, if there is one. */
export function mainBaseDir({ baseDirs }: OpenOptions): string {
  return baseDirs[0] ?? process.cwd()
}

function resolveFile(kind: PackageKind, path: string, options: OpenOptions): string {
  const file = resolvePath(baseDirFor(options, [kind, 'package']), path)
  if (existsSync(file)) return pathToFileURL(file).href
  throw new SluiceError(
    'SLUICE_PACKAGE_MISSING',
    `${kind}.package: no such file: ${file}${placed(kind, options)}`,
  )
}

function resolvePackage(name: string, options: Pick<OpenOptions, 'baseDirs'>): string | undefined {
  // The user's installation comes first: it has the version of their choice.
  const parents = options.baseDirs.map((dir) => pathToFileURL(join(dir, 'sluice.config.js')).href)
  for (const parent of [...parents, import.meta.url]) {
    const url = tryResolve(name, parent)
    if (url !== undefined) return url
  }
  return undefined
}

function tryResolve(name: string, parent: string): string | undefined {
  try {
    return resolveModule(name, parent)
  } catch (error) {
    if (error instanceof Error && 'code' in error && ABSENT.has(String(error.code))) return undefined
    throw notLoaded(name, error)
  }
}

const ABSENT = new Set(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'])

function missing(wanted: readonly WantedPackage[], options: OpenOptions): SluiceError {
  const names = wanted.map(fullName)
  for (const one of wanted) {
    const meant = meantInstead(one)
    if (meant !== undefined) throw mistaken(one, meant, options)
  }
  const shown = wanted.map((one) => `${fullName(one)}${placed(one.kind, options)}`)
  const [noun, verb] = names.length === 1 ? ['package', 'is'] : ['packages', 'are']
  return notInstalled(`${noun} ${shown.join(' and ')} ${verb}`, names)
}

function notInstalled(what: string, names: readonly string[]): SluiceError {
  return new SluiceError(
    'SLUICE_PACKAGE_MISSING',
    `The ${what} not installed. Run:\n  npm install ${names.join(' ')}`,
  )
}

/** Common names of a storage or a worker, and the short name of its package. */
const OTHER_NAMES: Readonly<Record<PackageKind, Readonly<Record<string, string>>>> = {
  queue: {
    sqlite: 'sql',
    sqlite3: 'sql',
    postgres: 'sql',
    postgresql: 'sql',
    pg: 'sql',
    aws: 's3',
    minio: 's3',
  },
  worker: { 'argo-workflows': 'argo', command: 'process', local: 'process', shell: 'process' },
}

/**
 * The likely intended package: the advice to install a foreign package with a mistyped name would be
 * dangerous.
 */
function meantInstead({ kind, given }: WantedPackage): string | undefined {
  if (given.startsWith('@')) return undefined
  const name = given.toLowerCase()
  const other = kind === 'queue' ? 'worker' : 'queue'
  if (Object.hasOwn(SHORT_NAMES[other], name)) return `\`${name}\` for \`${other}.package\``
  const own = Object.keys(SHORT_NAMES[kind])
  if (own.includes(given)) return undefined
  const others = OTHER_NAMES[kind]
  const known = Object.hasOwn(others, name) ? others[name] : undefined
  const near = known ?? own.find((each) => leven(each, name) <= (each.length > 3 ? 2 : 1))
  return near === undefined ? undefined : `\`${near}\``
}

function mistaken({ kind, given }: WantedPackage, meant: string, options: OpenOptions): SluiceError {
  return new SluiceError(
    'SLUICE_CONFIG_INVALID',
    `Sluice has no package ${given}${placed(kind, options)}, and none is installed: did you mean ${meant}?`,
  )
}

function placed(kind: PackageKind, options: OpenOptions): string {
  const place = options.placeOf?.([kind, 'package'])
  return place === undefined ? '' : ` (${kind}.package in ${place})`
}

function notLoaded(name: string, error: unknown): SluiceError {
  const reason = error instanceof Error ? error.message : String(error)
  return new SluiceError('SLUICE_CONFIG_INVALID', `The package ${name} can't be loaded: ${reason}`, {
    cause: error,
  })
}
