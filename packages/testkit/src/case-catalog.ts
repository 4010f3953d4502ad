import type { QueueSupports, WorkerSupports } from '@sluice/core'
import { engineContract } from './engine/engine-contract.js'
import { enginePromises } from './engine/engine-promises.js'
import { promiseOf, queuePromises, workerPromises, type ContractPromise } from './promises.js'
import { queueContract } from './queue/queue-contract.js'
import type { QueueHarness } from './queue/queue-harness.js'
import { workerContract } from './worker/worker-contract.js'
import type { WorkerHarness } from './worker/worker-harness.js'

/** One case of the contract as data. */
export interface CatalogCase {
  readonly id: string
  /** The id of the promise that it checks. */
  readonly promise: string
  readonly title: string
  /**
   * What the case is skipped without, such as `supports.sweep` or `harness.openCrashing`; absent where it
   * always applies.
   */
  readonly needs?: readonly string[]
}

/** The contract of one interface as data. */
export interface CatalogContract {
  readonly promises: readonly ContractPromise[]
  readonly cases: readonly CatalogCase[]
}

/**
 * The whole contract as data, for implementations in other languages: the content of
 * `@sluice/testkit/cases.json`.
 */
export interface CaseCatalog {
  readonly queue: CatalogContract
  readonly worker: CatalogContract
  readonly engine: CatalogContract
}

/** Every promise and every case of the contract, without the code that checks it. */
export async function caseCatalog(): Promise<CaseCatalog> {
  return {
    queue: { promises: queuePromises, cases: await entriesOf(queueContract, queueAsk) },
    worker: { promises: workerPromises, cases: await entriesOf(workerContract, workerAsk) },
    engine: { promises: enginePromises, cases: await entriesOf(engineContract, undefined) },
  }
}

/**
 * What an implementation that offers nothing but these is asked for: the keys that are read are added to
 * `read`.
 */
interface Offer {
  readonly offered: ReadonlySet<string>
  readonly read: Set<string>
}
type Ask<Case> = (one: Case, offer: Offer) => Promise<string | undefined>

const queueAsk: Ask<(typeof queueContract)[number]> = async ({ needs }, offer) =>
  needs?.(offering('supports', QUEUE_SUPPORTS, offer), offering('harness', QUEUE_HARNESS, offer))

const workerAsk: Ask<(typeof workerContract)[number]> = async ({ needs }, offer) =>
  needs?.(offering('supports', WORKER_SUPPORTS, offer), offering('harness', WORKER_HARNESS, offer))

const none = async (): Promise<never> => {
  throw new Error('a case asked for more than what is offered')
}
const QUEUE_SUPPORTS: QueueSupports = {
  durable: false,
  sharedBy: 'process',
  maxBodyBytes: 1_048_576,
  orderPrecisionMs: 0,
}
const QUEUE_HARNESS: QueueHarness = { open: none, passTime: none, close: none }
const WORKER_SUPPORTS: WorkerSupports = { durable: false, lookupJob: false, cancelJob: false, watch: false }
const WORKER_HARNESS: WorkerHarness = {
  open: none,
  body: () => null,
  finish: none,
  starts: none,
  close: none,
}

async function entriesOf<Case extends { readonly id: string; readonly title: string }>(
  cases: readonly Case[],
  ask: Ask<Case> | undefined,
): Promise<CatalogCase[]> {
  const entries: CatalogCase[] = []
  for (const one of cases) {
    const needs = ask === undefined ? [] : await needsOf((offer) => ask(one, offer))
    const { id, title } = one
    const promise = promiseOf(id)?.id ?? id
    entries.push({ id, promise, title, ...(needs.length > 0 && { needs }) })
  }
  return entries
}

/**
 * The least that has to be offered for a case to run: all that it asks for until it runs, less what makes no
 * difference.
 */
async function needsOf(ask: (offer: Offer) => Promise<string | undefined>): Promise<string[]> {
  const offered = new Set<string>()
  for (;;) {
    const read = new Set<string>()
    if ((await ask({ offered, read })) === undefined) break
    const missing = [...read].filter((key) => !offered.has(key))
    if (missing.length === 0) throw new Error(`no offer makes the case run: ${[...read].join(', ')}`)
    for (const key of missing) offered.add(key)
  }
  const needed = new Set(offered)
  for (const key of offered) {
    needed.delete(key)
    if ((await ask({ offered: needed, read: new Set() })) !== undefined) needed.add(key)
  }
  return [...needed].toSorted()
}

function offering<T extends object>(prefix: string, bare: T, { offered, read }: Offer): T {
  return new Proxy(bare, {
    get(target, key): unknown {
      if (typeof key === 'symbol' || GIVEN.has(key)) return Reflect.get(target, key)
      const path = `${prefix}.${key}`
      read.add(path)
      if (!offered.has(path)) return undefined
      return VALUES.get(path) ?? (FLAGS.test(path) ? true : async () => ({}))
    },
  })
}

/** A size is no capability, and `writesNothing` is declared where one is absent. */
const GIVEN = new Set(['maxBodyBytes', 'writesNothing'])
/** Capabilities that say how much. */
const VALUES = new Map<string, object>([
  ['supports.sendMany', { maxJobs: 100 }],
  ['supports.selection', { limitKeys: 'indexed' }],
])
/** What is a value; all else that a harness offers is a function. */
const FLAGS = /^supports\.|^harness\.(?:hasJobUids|exitCodes|exactLogs)$/u
