import type { JsonValue } from './json.js'

/**
 * A constraint for the bodies and results of a typed queue: `Body extends JsonCompatible<Body>`. An
 * `interface` is legal, although it has no index signature; what has a `Date`, a `Map`, a function, or
 * `undefined` outside of an optional field is not, and neither is `unknown`.
 *
 * @example
 * ```ts
 * import { openQueue } from '@sluice/queue-memory'
 *
 * interface Tile {
 *   url: string
 *   zoom?: number
 * }
 *
 * const queue = await openQueue<Tile>({ name: 'tiles' })
 * const [item] = await queue.get(1)
 * const url: string | undefined = item?.body.url
 * ```
 */
export type JsonCompatible<T> = { [Key in keyof T]: JsonPart<T[Key]> }

/** `T` where JSON can carry it, else a type that `T` does not fit. */
type JsonPart<T> = T extends JsonValue
  ? T
  : T extends ((...args: never[]) => unknown) | bigint | symbol | undefined
    ? never
    : T extends object
      ? JsonCompatible<T>
      : never
