import type { JsonCompatible } from '../../json/json-compatible.js'
import type { JsonValue } from '../../json/json.js'
import { checkOptions, type OptionsSchema } from '../../packages/options.js'
import type { WorkerUse } from '../../packages/package-entry.js'
import type { Worker } from '../../worker.js'
import type { WorkerBackend } from './worker-backend.js'
import { createWorker } from './worker-front.js'

/** A worker that has these optional methods. */
export type WorkerWith<Method extends keyof Worker, Body = JsonValue> = Worker<Body> &
  Required<Pick<Worker<Body>, Method>>

/**
 * The `openWorker` of a package, with the type of the bodies as type argument, or without it for any JSON.
 *
 * @typeParam Method the optional methods that all of its workers have
 */
export interface OpenWorker<Options, Method extends keyof Worker = never> {
  <Body extends JsonCompatible<Body> = JsonValue>(
    options: Options,
    use?: WorkerUse,
  ): Promise<WorkerWith<Method, Body>>
}

/** What a package says of how its workers are opened. */
export interface WorkerOpener<Settings extends { readonly name: string }> {
  /** The package's name, for messages. */
  readonly packageName: string
  readonly optionsSchema: OptionsSchema<Settings>
  readonly open: (settings: Settings, use: WorkerUse) => WorkerBackend | Promise<WorkerBackend>
}

/**
 * Makes the `openWorker` of a package: it checks the options, opens the backend, and puts the one front
 * before it.
 *
 * @typeParam Options of `openWorker`, as a caller gives them
 */
export function workerOpener<
  Options,
  Settings extends { readonly name: string },
  Method extends keyof Worker = never,
>({ packageName, optionsSchema, open }: WorkerOpener<Settings>): OpenWorker<Options, Method> {
  const openWorker = async (options: unknown, use: WorkerUse = {}): Promise<Worker> => {
    const settings = await checkOptions(optionsSchema, options, packageName)
    return createWorker(settings.name, await open(settings, use))
  }
  // The type of the bodies is the caller's word, and which methods there are is the package's: at run time
  // all workers are made alike.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said above
  return openWorker as OpenWorker<Options, Method>
}
