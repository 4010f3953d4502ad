import { resolve } from 'node:path'
import {
  SluiceError,
  type OptionsSchema,
  type PackageContext,
  type Queue,
  type QueuePackage,
  type QueueUse,
  type RoomNeed,
  type StorageFinding,
  type Worker,
  type WorkerPackage,
  type WorkerUse,
} from '@sluice/core'
import { AbsentQueueError } from '../cli/command-error.js'
import { describeIssues, stepName, type FoundIssue } from '../config/config-issue.js'
import { assertSet, unsetIn } from '../config/env-reference.js'
import type { PackageSettings } from '../config/config-schema.js'
import { printable } from '../output/output.js'
import { guardedLogger, guardedQueuePackage, guardedWorkerPackage } from './guarded.js'
import {
  baseDirFor,
  loadPackage,
  mainBaseDir,
  type OpenOptions,
  type PackageKind,
} from './package-loading.js'

/** What the package is lent beside what its paths are relative to. */
type Lent = Pick<PackageContext, 'logger'>
/** How a queue is opened, and for what use. */
export type OpenQueueOptions = OpenOptions &
  Omit<QueueUse, 'baseDir' | 'baseDirOf' | 'placeOf' | 'secrets' | 'isSecretVariable'>

/**
 * Loads the package of a queue and opens it. Nothing else is loaded.
 *
 * @param settings the package's name, and its options
 * @throws SluiceError SLUICE_PACKAGE_MISSING with the line that installs it; SLUICE_CONFIG_INVALID when it brings no queue
 * or takes other options; whatever its `openQueue` rejects with
 */
export async function openQueuePackage(settings: PackageSettings, options: OpenQueueOptions): Promise<Queue> {
  const found = await loadQueuePackage(settings, options)
  const checked = await checkedOptions('queue', settings, withSchema(found, options))
  return await found.openQueue(checked, useOf(options))
}

/**
 * Tries what a service does with the storage of a queue, as far as its package can.
 *
 * @throws as {@link openQueuePackage}
 */
export async function checkStorage(
  settings: PackageSettings,
  options: OpenQueueOptions,
): Promise<StorageFinding> {
  const found = await loadQueuePackage(settings, options)
  const checked = await checkedOptions('queue', settings, withSchema(found, options))
  // Packages of before have nothing to say of what they found.
  return (await found.checkStorage?.(checked, useOf(options))) ?? {}
}

function useOf({ reading, brief, ...options }: OpenQueueOptions): QueueUse {
  return {
    ...(reading === undefined ? {} : { reading }),
    ...(brief === undefined ? {} : { brief }),
    ...contextOf('queue', options),
  }
}

/** The service can't know which options of a package are paths: the package is told what they are relative to. */
function contextOf(kind: PackageKind, { logger, ...options }: OpenOptions & Lent): PackageContext {
  const { secrets, placeOf } = options
  return {
    baseDir: mainBaseDir(options),
    ...(placeOf === undefined ? {} : { placeOf: (option) => placeOf([kind, ...option]) }),
    baseDirOf: (option) => baseDirFor(options, [kind, ...option]),
    ...(logger === undefined
      ? {}
      : { logger: secrets === undefined ? logger : guardedLogger(logger, secrets) }),
    ...(secrets === undefined
      ? {}
      : { secrets, isSecretVariable: (name: string) => secrets.isSecretVariable(name) }),
  }
}

/**
 * Makes sure that there is a queue, for whoever only wants to look at one: opening it would make what isn't there, and an
 * address with a slip in it would look like an empty queue. A package that can't tell is taken to have one.
 *
 * @throws AbsentQueueError when there is none; else as {@link openQueuePackage}
 */
export async function assertQueueExists(settings: PackageSettings, options: OpenQueueOptions): Promise<void> {
  const found = await loadQueuePackage(settings, options)
  if (found.queueExists === undefined) return
  const given = await checkedOptions('queue', settings, withSchema(found, options))
  if (await found.queueExists(given, useOf(options))) return
  throw new AbsentQueueError(absentText(settings, options))
}

/**
 * Whether there is a queue; false where its package can't tell.
 *
 * @throws as {@link openQueuePackage}
 */
export async function queueIsThere(settings: PackageSettings, options: OpenQueueOptions): Promise<boolean> {
  const found = await loadQueuePackage(settings, options)
  if (found.queueExists === undefined) return false
  const given = await checkedOptions('queue', settings, withSchema(found, options))
  return await found.queueExists(given, useOf(options))
}

/**
 * Where a queue is that is about to be made, in words; `undefined` where there is one already, or nobody can say.
 *
 * @throws as {@link openQueuePackage}
 */
export async function placeOfNewQueue(
  settings: PackageSettings,
  options: OpenQueueOptions,
): Promise<string | undefined> {
  const found = await loadQueuePackage(settings, options)
  if (found.queueExists === undefined) return undefined
  const given = await checkedOptions('queue', settings, withSchema(found, options))
  if (await found.queueExists(given, useOf(options))) return undefined
  return `${printable(JSON.stringify(settings['name']), 210)}${addressOf(settings, options)[0]}`
}

/** Loads the package of a worker and opens it; the rest as for {@link openQueuePackage}. */
export async function openWorkerPackage(
  settings: PackageSettings,
  { reading, ...options }: OpenOptions & Lent & Pick<WorkerUse, 'reading'>,
): Promise<Worker> {
  const found = await loadWorkerPackage(settings, options)
  const checked = await checkedOptions('worker', settings, withSchema(found, options))
  const use = { ...contextOf('worker', options), ...(reading === undefined ? {} : { reading }) }
  return await found.openWorker(checked, use)
}

/**
 * Holds the options of a worker against its package, without opening it. Of options whose variables are not set nothing is said: they may be set where
 * the service runs.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID; SLUICE_PACKAGE_MISSING
 */
export async function checkWorkerOptions(settings: PackageSettings, options: OpenOptions): Promise<void> {
  const unset = unsetIn(options.unset ?? [], 'worker').map(({ path }) => path)
  if (unset.some(([, option]) => option === 'package')) return
  const found = await loadUnopened(settings, options)
  await checkedOptions('worker', settings, withSchema(found, options), unset)
}

/**
 * What of a worker's package says whether there is room for so many items, its options checked.
 *
 * @returns `undefined` where the package has nothing to say about room
 * @throws as {@link openQueuePackage}
 */
export async function loadRoomCheck(
  settings: PackageSettings,
  options: OpenOptions,
): Promise<((need: RoomNeed) => Promise<string | undefined>) | undefined> {
  const found = await loadWorkerPackage(settings, options)
  const { checkRoom } = found
  if (checkRoom === undefined) return undefined
  const checked = await checkedOptions('worker', settings, withSchema(found, options))
  return (need) => checkRoom(checked, need, contextOf('worker', options))
}

/** A queue's package and the options for it, checked; for what is asked of the package itself rather than of one queue. */
export interface LoadedQueuePackage {
  readonly found: QueuePackage
  readonly given: unknown
  readonly use: QueueUse
  /** Where its queues are, in words: ` at s3://bucket/prefix`, or nothing. Never what may be secret. */
  readonly at: string
}

/** @throws as {@link openQueuePackage} */
export async function loadQueueStore(
  settings: PackageSettings,
  options: OpenQueueOptions,
): Promise<LoadedQueuePackage> {
  const found = await loadQueuePackage(settings, options)
  const given = await checkedOptions('queue', settings, withSchema(found, options))
  const [at] = addressOf(settings, options)
  return { found, given, use: useOf(options), at }
}

async function loadQueuePackage(settings: PackageSettings, options: OpenOptions): Promise<QueuePackage> {
  assertSet(unsetIn(options.unset ?? [], 'queue'))
  const { name, loaded } = await loadPackage({ kind: 'queue', given: settings.package }, options)
  if (!isQueuePackage(loaded)) throw notOurs(name, 'openQueue', 'queue')
  return options.secrets === undefined ? loaded : guardedQueuePackage(loaded, options.secrets)
}

async function loadWorkerPackage(settings: PackageSettings, options: OpenOptions): Promise<WorkerPackage> {
  assertSet(unsetIn(options.unset ?? [], 'worker'))
  return loadUnopened(settings, options)
}

async function loadUnopened(settings: PackageSettings, options: OpenOptions): Promise<WorkerPackage> {
  const { name, loaded } = await loadPackage({ kind: 'worker', given: settings.package }, options)
  if (!isWorkerPackage(loaded)) throw notOurs(name, 'openWorker', 'worker')
  return options.secrets === undefined ? loaded : guardedWorkerPackage(loaded, options.secrets)
}

function absentText(settings: PackageSettings, options: OpenOptions): string {
  const [at, check] = addressOf(settings, options)
  const name = printable(JSON.stringify(settings['name']), 210)
  return (
    `There is no queue ${name}${at}: check ${check} and queue.name, ` +
    'or put the first item into it (sluice load, sluice put).'
  )
}

/** Where a queue is, without what may be secret, and which setting says so. */
function addressOf(settings: PackageSettings, options: OpenOptions): readonly [string, string] {
  const { url, bucket, prefix } = settings
  if (typeof bucket === 'string') {
    const path = typeof prefix === 'string' ? `/${prefix}` : ''
    return [` at s3://${printable(bucket + path, 300)}`, 'queue.bucket, queue.prefix']
  }
  // With an @ in its path it is a URL whose password was not percent-encoded: nothing of it is shown.
  if (typeof url !== 'string' || !URL.canParse(url) || new URL(url).pathname.includes('@'))
    return ['', `the options of ${settings.package}`]
  const { protocol, host, pathname } = new URL(url)
  const place = options.placeOf?.(['queue', 'url'])
  const from = place === undefined ? '' : ` (queue.url in ${place})`
  const address =
    host === '' ? `${protocol}${filePath(pathname, options)}` : `${protocol}//${host}${pathname}`
  return [` at ${printable(address, 300)}${from}`, 'queue.url']
}

/** Whole: a queue that is not found may be in another folder. */
function filePath(path: string, options: OpenOptions): string {
  return path.startsWith(':') ? path : resolve(baseDirFor(options, ['queue', 'url']), path)
}

interface CheckOptions extends OpenOptions {
  readonly schema: OptionsSchema<unknown> | undefined
  readonly credentialVariables: readonly string[]
}

function withSchema(
  { optionsSchema, credentialVariables = [] }: QueuePackage | WorkerPackage,
  options: OpenOptions,
): CheckOptions {
  return { ...options, schema: optionsSchema, credentialVariables }
}

async function checkedOptions(
  kind: PackageKind,
  settings: PackageSettings,
  { schema, credentialVariables, secrets, env = process.env, placeOf = () => undefined }: CheckOptions,
  unset: readonly (readonly string[])[] = [],
): Promise<unknown> {
  const { package: _, ...given } = settings
  secrets?.readOptions({ section: kind, options: given, schema })
  secrets?.readVariables(credentialVariables, env)
  if (schema === undefined) return given
  const result = await schema['~standard'].validate(given)
  // The package gets what was written: it checks again, and fills in its defaults itself.
  const issues = result.issues?.filter((issue) => !unset.some((one) => isAbout(one.slice(1), issue))) ?? []
  if (issues.length === 0) return given
  const lines = describeIssues(issues, { schema, prefix: [kind], placeOf })
  throw new SluiceError(
    'SLUICE_CONFIG_INVALID',
    `The options of ${settings.package} are wrong:\n${lines.join('\n')}`,
  )
}

/** Whether an issue is about an option, or about what surrounds it or is part of it: without its value nothing can be said of these. */
function isAbout(option: readonly string[], { path = [], code }: FoundIssue): boolean {
  if (code === 'unrecognized_keys') return false
  return option.every((step, at) => path[at] === undefined || stepName(path[at]) === step)
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
