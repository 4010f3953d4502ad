import { SluiceError } from '../../errors.js'
import type { Queue } from '../../items/queue.js'
import type { JsonCompatible } from '../../json/json-compatible.js'
import type { JsonValue } from '../../json/json.js'
import type { SchemaInput, SchemaOutput, StandardSchema } from '../../json/standard-schema.js'
import { checkOptions, type OptionsSchema } from '../../packages/options.js'
import type { QueueUse } from '../../packages/package-entry.js'
import type { BodySchema } from './body-parser.js'
import type { QueueBackend } from './queue-backend.js'
import { createQueue } from './queue-front.js'

/**
 * The `openQueue` of a package: with a schema of the bodies as the option `body`, with the types of bodies
 * and results as type arguments, or without either, for any JSON.
 */
export interface OpenQueue<Options> {
  <Body extends JsonCompatible<Body> = JsonValue, Result extends JsonCompatible<Result> = JsonValue>(
    options: Options & { readonly body?: undefined },
    use?: QueueUse,
  ): Promise<Queue<Body, Result>>
  <Schema extends StandardSchema, Result extends JsonCompatible<Result> = JsonValue>(
    options: Options & { readonly body: Schema },
    use?: QueueUse,
  ): Promise<Queue<SchemaOutput<Schema>, Result, SchemaInput<Schema>>>
  // The last one is what `Parameters` and `ReturnType` see, and what the compiler explains a wrong option by.
  (options: Options, use?: QueueUse): Promise<Queue>
}

/** What a package says of how its queues are opened. */
export interface QueueOpener<
  Settings extends { readonly name: string },
  Item extends { readonly id: string },
> {
  /** The package's name, for messages. */
  readonly packageName: string
  readonly optionsSchema: OptionsSchema<Settings>
  readonly open: (settings: Settings, use: QueueUse) => QueueBackend<Item> | Promise<QueueBackend<Item>>
}

/**
 * Makes the `openQueue` of a package: it checks the options, opens the backend, and puts the one front before
 * it.
 *
 * @typeParam Options of `openQueue`, as a caller gives them
 */
export function queueOpener<
  Options,
  Settings extends { readonly name: string },
  Item extends { readonly id: string },
>(opener: QueueOpener<Settings, Item>): OpenQueue<Options>
// Types of bodies and results are the caller's word, or follow from the schema: at run time all queues are of
// one class.
export function queueOpener<Settings extends { readonly name: string }, Item extends { readonly id: string }>(
  opener: QueueOpener<Settings, Item>,
): unknown {
  return async (options: unknown, use: QueueUse = {}): Promise<Queue> => {
    const { settings, body } = await checked(opener, options)
    return createQueue({ name: settings.name, body }, await opener.open(settings, use))
  }
}

/** What a package says of how its queues are opened where they exist. */
export interface ExistingQueueOpener<
  Settings extends { readonly name: string },
  Item extends { readonly id: string },
> extends Pick<QueueOpener<Settings, Item>, 'packageName' | 'optionsSchema'> {
  /** `undefined`: there is no such queue. It creates nothing then. */
  readonly open: (settings: Settings, use: QueueUse) => Promise<QueueBackend<Item> | undefined>
}

/** Makes the `openIfExists` of a package: as {@link queueOpener}, but for a queue that exists. */
export function existingQueueOpener<
  Settings extends { readonly name: string },
  Item extends { readonly id: string },
>(
  opener: ExistingQueueOpener<Settings, Item>,
): (options: unknown, use?: QueueUse) => Promise<Queue | undefined> {
  return async (options, use = {}) => {
    const { settings, body } = await checked(opener, options)
    const backend = await opener.open(settings, use)
    return backend && createQueue({ name: settings.name, body }, backend)
  }
}

async function checked<Settings>(
  {
    packageName,
    optionsSchema,
  }: { readonly packageName: string; readonly optionsSchema: OptionsSchema<Settings> },
  options: unknown,
): Promise<{ readonly settings: Settings; readonly body?: BodySchema }> {
  const { rest, ...body } = withoutBody(options, packageName)
  return { settings: await checkOptions(optionsSchema, rest, packageName), ...body }
}

/** The schema of the bodies is no setting of the storage: it is taken out before those are checked. */
function withoutBody(options: unknown, packageName: string): { body?: BodySchema; rest: unknown } {
  if (typeof options !== 'object' || options === null || !('body' in options)) return { rest: options }
  const { body, ...rest } = options
  if (body === undefined) return { rest }
  if (isStandardSchema(body)) return { body, rest }
  throw new SluiceError(
    'SLUICE_CONFIG_INVALID',
    `The options of ${packageName} are wrong:\n  body: must be a Standard Schema, such as one of zod, valibot or arktype`,
  )
}

function isStandardSchema(value: unknown): value is BodySchema {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  const standard: unknown = '~standard' in value ? value['~standard'] : undefined
  return (
    typeof standard === 'object' &&
    standard !== null &&
    'validate' in standard &&
    typeof standard.validate === 'function'
  )
}
