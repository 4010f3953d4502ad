import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { SluiceError, type QueuePackage } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import type { QueueHarness } from '../queue/queue-harness.js'
import { storeHarness } from '../queue/store-harness.js'
import type { WorkerHarness } from '../worker/worker-harness.js'

/** The contract that a module is held to. */
export type Subject =
  | { readonly is: 'queue'; readonly makeHarness: () => Promise<QueueHarness> }
  | { readonly is: 'worker'; readonly makeHarness: () => Promise<WorkerHarness> }

/** Loads a module by a path or by the name of an installed package. */
async function load(module: string, cwd: string): Promise<object> {
  const url = locationOf(module, cwd)
  try {
    const loaded: unknown = await import(url)
    return Object(loaded)
  } catch (error) {
    throw invalid(`Cannot load ${module}: ${messageOf(error)}. Run it with node to see where.`, error)
  }
}

function locationOf(module: string, cwd: string): string {
  const file = resolve(cwd, module)
  if (existsSync(file)) return pathToFileURL(file).href
  try {
    return pathToFileURL(createRequire(join(cwd, 'package.json')).resolve(module)).href
  } catch (error) {
    throw new SluiceError(
      'SLUICE_PACKAGE_MISSING',
      `Cannot load ${module}: there is no file ${file}, and no package of this name is installed there. ` +
        'Name a file that exists, or install the package.',
      { cause: error },
    )
  }
}

/** Where a module is loaded from, and how its queues are opened. */
export interface SubjectOptions {
  readonly cwd: string
  /** For `openQueue`, beside the name. */
  readonly options: object
  /** Of one case. */
  readonly timeoutMs: number
}

/**
 * Finds what a module brings to be tested: its `harness`, or queues that its `openQueue` opens.
 *
 * @throws SluiceError SLUICE_PACKAGE_MISSING or SLUICE_CONFIG_INVALID
 */
export async function subjectOf(
  module: string,
  { cwd, options, timeoutMs }: SubjectOptions,
): Promise<Subject> {
  const loaded = await load(module, cwd)
  if ('harness' in loaded && typeof loaded.harness === 'function') {
    const { harness } = loaded
    return harnessSubject(module, async (): Promise<unknown> => harness())
  }
  if (isQueuePackage(loaded)) {
    const { openQueue, dropQueue } = loaded
    const drop = dropQueue && ((name: string) => dropQueue({ ...options, name }, { withRunning: true }))
    const store = {
      open: (name: string) => openQueue({ ...options, name }),
      ...(drop && { drop }),
      runtime: systemRuntime,
    }
    await assertUsable(module, storeHarness(store), { options, timeoutMs })
    return { is: 'queue', makeHarness: async () => storeHarness(store) }
  }
  if ('openWorker' in loaded)
    throw invalid(
      `${module} exports \`openWorker\` and no \`harness\`: the contract ends jobs and counts their starts, which no Worker object can. ` +
        'Export `harness`, a function that returns a WorkerHarness.',
    )
  const names = Object.keys(loaded).join(', ')
  throw invalid(
    `${module} exports neither \`harness\` nor \`openQueue\`${names === '' ? '' : `, but ${names}`}. ` +
      'Export `harness`, a function that returns a QueueHarness or a WorkerHarness.',
  )
}

/** A longer wait for the first item is a fault of the options or the storage. */
const FIRST_PUT_MS = 15_000

/**
 * Opens one queue and puts one item: what prevents that, such as a missing option, would fail every case.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID
 */
async function assertUsable(
  module: string,
  harness: QueueHarness,
  { options, timeoutMs }: Omit<SubjectOptions, 'cwd'>,
): Promise<void> {
  const limitMs = Math.min(timeoutMs, FIRST_PUT_MS)
  const ended = new AbortController()
  const late = systemRuntime.sleep(limitMs, ended.signal).then(() => {
    throw new Error(`it did not end within ${limitMs} ms`)
  })
  let attempted = 'opening a queue'
  const tried = async (): Promise<void> => {
    const queue = await harness.open()
    attempted = 'putting an item'
    await queue.put('probe', {})
    attempted = 'removing the queue'
    await harness.close()
  }
  try {
    await Promise.race([tried(), late])
  } catch (error) {
    const given = Object.keys(options).join(', ')
    const had = given === '' ? 'no options' : `the options ${given}`
    throw invalid(
      `No case was run: ${attempted} of ${module} failed: ${messageOf(error).replace(/\.$/u, '')}. ` +
        `\`openQueue\` got a name and ${had}: set what it needs, such as --options '{"dir": "./data"}', ` +
        'and make sure that its storage exists.',
      error,
    )
  } finally {
    // It rejects after the race as well, when the wait is ended.
    late.catch(() => undefined)
    ended.abort()
  }
}

/** A harness of a queue lets time pass, one of a worker ends jobs. */
async function harnessSubject(module: string, make: () => Promise<unknown>): Promise<Subject> {
  const first = await make().catch((error: unknown) => {
    throw invalid(`The \`harness\` of ${module} failed: ${messageOf(error)}.`, error)
  })
  if (isQueueHarness(first)) {
    await first.close()
    return { is: 'queue', makeHarness: async () => still(await make(), isQueueHarness, module) }
  }
  if (isWorkerHarness(first)) {
    await first.close()
    return { is: 'worker', makeHarness: async () => still(await make(), isWorkerHarness, module) }
  }
  throw invalid(
    `The \`harness\` of ${module} returns neither a QueueHarness (open, passTime, close) nor a WorkerHarness ` +
      '(open, body, finish, starts, close).',
  )
}

function isQueueHarness(made: unknown): made is QueueHarness {
  return hasFunctions(made, ['open', 'passTime', 'close'])
}

function isWorkerHarness(made: unknown): made is WorkerHarness {
  return hasFunctions(made, ['open', 'body', 'finish', 'starts', 'close'])
}

function hasFunctions(made: unknown, names: readonly string[]): boolean {
  return names.every((name) => typeof Reflect.get(Object(made), name) === 'function')
}

function still<T>(made: unknown, isOne: (value: unknown) => value is T, module: string): T {
  if (isOne(made)) return made
  throw invalid(`The \`harness\` of ${module} returned something else the second time.`)
}

function isQueuePackage(loaded: object): loaded is QueuePackage {
  return 'openQueue' in loaded && typeof loaded.openQueue === 'function'
}

/** What is wrong with the command line or the module. */
export function invalid(message: string, cause?: unknown): SluiceError {
  return new SluiceError('SLUICE_CONFIG_INVALID', message, cause === undefined ? {} : { cause })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
