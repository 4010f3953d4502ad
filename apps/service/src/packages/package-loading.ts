import { existsSync } from 'node:fs'
import { isAbsolute, join, resolve as resolvePath } from 'node:path'
import { pathToFileURL } from 'node:url'
import { SluiceError } from '@sluice/core'
import { resolve as resolveModule } from 'import-meta-resolve'
import leven from 'leven'
import type { UnsetReference } from '../config/env-reference.js'
import type { ConfigSecrets } from '../secrets/config-secrets.js'

/** Our own packages by their short names. Any other name is a package's, or a path. */
const SHORT_NAMES = {
  queue: { memory: '@sluice/queue-memory', sql: '@sluice/queue-sql', s3: '@sluice/queue-s3' },
  worker: {
    argo: '@sluice/worker-argo',
    dummy: '@sluice/worker-dummy',
    process: '@sluice/worker-process',
  },
} as const satisfies Record<PackageKind, Record<string, string>>

export type PackageKind = 'queue' | 'worker'

/** Where a package is looked for, and how its settings are spoken of. */
export interface OpenOptions {
  /** Directories from which the package is resolved, before the service's own place; the first is what paths are relative to. */
  readonly baseDirs: readonly string[]
  /** What a path in one setting is relative to, where that is not the same for all. */
  readonly baseDirOf?: (path: readonly string[]) => string
  /** Where a setting comes from, for messages. */
  readonly placeOf?: (path: readonly string[]) => string | undefined
  /** Options whose variables are not set: a package that has some is not opened. */
  readonly unset?: readonly UnsetReference[]
  /** Takes the secrets among the options, and leaves them out of what the package says. */
  readonly secrets?: ConfigSecrets
  /** Where the libraries beneath a package look for credentials. Default: the environment of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

/** A package as a setting names it. */
export interface WantedPackage {
  readonly kind: PackageKind
  /** A short name, a package's name, or a path. */
  readonly given: string
}

/**
 * Loads a package, and nothing else.
 *
 * @returns its full name, and its exports
 * @throws SluiceError SLUICE_PACKAGE_MISSING with the line that installs it; SLUICE_CONFIG_INVALID when it can't be loaded
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
 * @throws SluiceError SLUICE_PACKAGE_MISSING with the line that installs it; SLUICE_CONFIG_INVALID when it can't be loaded
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
 * Looks for several packages before any of them is opened, so that one line installs all that are missing.
 *
 * @throws SluiceError SLUICE_PACKAGE_MISSING when more than one is missing
 */
export function assertInstalled(wanted: readonly WantedPackage[], options: OpenOptions): void {
  const absent = wanted.filter((one) => {
    const name = fullName(one)
    return !isPath(name) && resolvePackage(name, options) === undefined
  })
  // A single one is told of when it is opened; so is a path, which no npm brings.
  if (absent.length > 1) throw missing(absent, options)
}

function fullName({ kind, given }: WantedPackage): string {
  const names: Readonly<Record<string, string>> = SHORT_NAMES[kind]
  return Object.hasOwn(names, given) ? (names[given] ?? given) : given
}

function isPath(name: string): boolean {
  return /^\.{1,2}[\\/]/.test(name) || isAbsolute(name)
}

/** What a relative path is relative to, by the setting in which it stands. */
export function baseDirFor(options: OpenOptions, path: readonly string[]): string {
  return options.baseDirOf?.(path) ?? mainBaseDir(options)
}

/** What relative paths are relative to where nothing more is known of them: the configuration file, if there is one. */
export function mainBaseDir({ baseDirs }: OpenOptions): string {
  return baseDirs[0] ?? process.cwd()
}

function resolveFile(kind: PackageKind, path: string, options: OpenOptions): string {
  const file = resolvePath(baseDirFor(options, [kind, 'package']), path)
  if (existsSync(file)) return pathToFileURL(file).href
  throw new SluiceError(
    'SLUICE_PACKAGE_MISSING',
    `${kind}.package: there is no file ${file}${placed(kind, options)}`,
  )
}

function resolvePackage(name: string, options: Pick<OpenOptions, 'baseDirs'>): string | undefined {
  // The user's own installation comes first: theirs is the version that they chose.
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

/** What people call a storage or a worker, and what its package is called. */
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

/** A name that is nearly one of ours: to install a stranger's package for a mistake of typing would be dangerous advice. */
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
    `There is no package ${given}${placed(kind, options)} of Sluice, nor is one installed: did you mean ${meant}?`,
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
