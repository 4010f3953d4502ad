import { resolve } from 'node:path'
import {
  SluiceError,
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
import type { OptionsSchema } from '@sluice/core/backend'
import { AbsentQueueError } from '../cli/command-error.js'
import { describeIssues, stepName, type FoundIssue } from '../config/config-issue.js'
import { assertSet, unsetIn } from '../config/env-reference.js'
import type { PackageSettings } from '../config/config.js'
import { printable } from '../output/output.js'
import { guardedLogger, guardedQueuePackage, guardedWorkerPackage } from './guarded.js'
import {
  baseDirFor,
  loadPackage,
  mainBaseDir,
  type OpenOptions,
  type PackageKind,
} from './package-loading.js'

/** The part of the context that the caller provides. */
type Lent = Pick<PackageContext, 'logger'>
/** How a queue is opened. */
export type OpenQueueOptions = OpenOptions &
  Omit<QueueUse, 'baseDir' | 'baseDirOf' | 'placeOf' | 'secrets' | 'isSecretVariable'>

/**
 * Loads the package of a queue and opens the queue. Loads nothing else.
 *
 * @param settings the package's name, and its options
 * @throws SluiceError SLUICE_PACKAGE_MISSING with the install command; SLUICE_CONFIG_INVALID where it has no
 * queue or the options are invalid; what its `openQueue` rejects with
 */
export async function openQueuePackage(settings: PackageSettings, options: OpenQueueOptions): Promise<Queue> {
  const found = await loadQueuePackage(settings, options)
  const checked = await checkedOptions('queue', settings, withSchema(found, options))
  return await found.openQueue(checked, useOf(options))
}

/**
 * Tries the storage operations of a service, as far as the package supports it.
 *
 * @throws as {@link openQueuePackage}
 */
export async function checkStorage(
  settings: PackageSettings,
  options: OpenQueueOptions,
): Promise<StorageFinding> {
  const found = await loadQueuePackage(settings, options)
  const checked = await checkedOptions('queue', settings, withSchema(found, options))
  // Older packages return nothing.
  return (await found.checkStorage?.(checked, useOf(options))) ?? {}
}

function useOf({ reading, brief, ...options }: OpenQueueOptions): QueueUse {
  return {
    ...(reading === undefined ? {} : { reading }),
    ...(brief === undefined ? {} : { brief }),
    ...contextOf('queue', options),
  }
}

/** The package gets the base of relative paths, since only it knows which options are paths. */
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
 * Opens a queue that exists, for a command that adds no items: opening would create it, and a mistyped
 * address would look like an empty queue. For a package that can't tell, it is assumed to exist.
 *
 * @throws AbsentQueueError where it does not exist; else as {@link openQueuePackage}
 */
export async function openExistingQueue(
  settings: PackageSettings,
  options: OpenQueueOptions,
): Promise<Queue> {
  const { found, given, use } = await loadQueueStore(settings, options)
  const queue = canTell(found) ? await openIfThere(found, given, use) : await found.openQueue(given, use)
  if (queue === undefined) throw new AbsentQueueError(absentText(settings, options))
  return queue
}

/**
 * Opens the queue if it exists; `undefined` also where its package can't tell.
 *
 * @throws as {@link openQueuePackage}
 */
export async function openQueueIfThere(
  settings: PackageSettings,
  options: OpenQueueOptions,
): Promise<Queue | undefined> {
  const { found, given, use } = await loadQueueStore(settings, options)
  return openIfThere(found, given, use)
}

function canTell({ openIfExists, queueExists }: QueuePackage): boolean {
  return openIfExists !== undefined || queueExists !== undefined
}

/** At once where the package can; else by a check and an opening. */
async function openIfThere(found: QueuePackage, given: unknown, use: QueueUse): Promise<Queue | undefined> {
  if (found.openIfExists !== undefined) return found.openIfExists(given, use)
  const isThere = (await found.queueExists?.(given, use)) ?? false
  return isThere ? found.openQueue(given, use) : undefined
}

/**
 * The address of a queue to be created, as text; `undefined` where it exists, or its package can't tell.
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

/** Loads the package of a worker and opens the worker, as {@link openQueuePackage} does. */
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
 * Validates the options of a worker, without opening it. Options with unset variables are skipped: they may
 * be set where the service runs.
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
 * The room check of a worker's package, with validated options.
 *
 * @returns `undefined` where the package has no such check
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

/** A queue's package with validated options, for functions of the package rather than of one queue. */
export interface LoadedQueuePackage {
  readonly found: QueuePackage
  readonly given: unknown
  readonly use: QueueUse
  /** The address of its queues as text: ` at s3://bucket/prefix`, or empty. Without possible secrets. */
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
    'or create it by adding the first item (sluice load, sluice put).'
  )
}

/** The address of a queue without possible secrets, and its settings. */
function addressOf(settings: PackageSettings, options: OpenOptions): readonly [string, string] {
  const { url, bucket, prefix } = settings
  if (typeof bucket === 'string') {
    const path = typeof prefix === 'string' ? `/${prefix}` : ''
    return [` at s3://${printable(bucket + path, 300)}`, 'queue.bucket, queue.prefix']
  }
  // An @ in the path may come from a password that was not percent-encoded: show nothing of it.
  if (typeof url !== 'string' || !URL.canParse(url) || new URL(url).pathname.includes('@'))
    return ['', `the options of ${settings.package}`]
  const { protocol, host, pathname } = new URL(url)
  const place = options.placeOf?.(['queue', 'url'])
  const from = place === undefined ? '' : ` (queue.url in ${place})`
  const address =
    host === '' ? `${protocol}${filePath(pathname, options)}` : `${protocol}//${host}${pathname}`
  return [` at ${printable(address, 300)}${from}`, 'queue.url']
}

/** The absolute path: a missing queue may be in another folder. */
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
  // The package gets the original options: it validates them and fills in the defaults itself.
  const issues = result.issues?.filter((issue) => !unset.some((one) => isAbout(one.slice(1), issue))) ?? []
  if (issues.length === 0) return given
  const lines = describeIssues(issues, { schema, prefix: [kind], placeOf })
  throw new SluiceError(
    'SLUICE_CONFIG_INVALID',
    `The options of ${settings.package} are invalid:\n${lines.join('\n')}`,
  )
}

/**
 * Whether an issue concerns an option, its parents or its parts, which can't be validated without its value.
 */
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
    `${kind}.package: ${name} is not a ${kind} package: it exports no function ${wanted}`,
  )
}
