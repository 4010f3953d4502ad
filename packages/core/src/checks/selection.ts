import { MAX_LIMIT_KEY_BYTES, MAX_RESOURCES, MAX_RESOURCE_NAME_CHARS, type Resources } from '../items/item.js'
import { utf8Bytes } from '../json/json.js'

const RESOURCE_NAME = new RegExp(`^[A-Za-z][A-Za-z0-9_.-]{0,${MAX_RESOURCE_NAME_CHARS - 1}}$`)

/**
 * A copy that no other code can change, in the order of its names; `undefined` where there is no name.
 *
 * @throws TypeError that names the resource
 */
export function checkResources(resources: unknown): Resources | undefined {
  if (typeof resources !== 'object' || resources === null || Array.isArray(resources))
    throw new TypeError('resources must be an object of numbers by name, such as { gpu: 1 }')
  const amounts = Object.entries(resources).map(([name, amount]) => checkResource(name, amount))
  if (amounts.length === 0) return undefined
  if (amounts.length > MAX_RESOURCES)
    throw new TypeError(`resources has ${amounts.length} names; at most ${MAX_RESOURCES} are allowed`)
  return Object.freeze(Object.fromEntries(amounts.toSorted(([a], [b]) => (a < b ? -1 : 1))))
}

function checkResource(name: string, amount: unknown): readonly [name: string, amount: number] {
  if (!RESOURCE_NAME.test(name)) {
    throw new TypeError(
      `resources: ${JSON.stringify(name.slice(0, MAX_RESOURCE_NAME_CHARS))} is no name of a resource: it has 1 to ${MAX_RESOURCE_NAME_CHARS} letters, digits, "_", "." and "-", and begins with a letter`,
    )
  }
  if (typeof amount === 'number' && Number.isFinite(amount) && amount >= 0 && !Object.is(amount, -0))
    return [name, amount]
  const came =
    typeof amount === 'number' ? (Object.is(amount, -0) ? '-0' : String(amount)) : `a ${typeof amount}`
  throw new TypeError(`resources.${name} must be a finite number, 0 or more; got ${came}`)
}

/** @throws TypeError for what can't be the limit key of an item */
export function assertLimitKey(limitKey: unknown): asserts limitKey is string {
  if (typeof limitKey !== 'string' || limitKey === '')
    throw new TypeError('limitKey must be a string that is not empty')
  if (limitKey.includes('\0') || !limitKey.isWellFormed())
    throw new TypeError('limitKey must be well-formed Unicode without NUL')
  // A UTF-16 unit is at most three bytes: only a long key needs counting.
  if (limitKey.length * 3 <= MAX_LIMIT_KEY_BYTES) return
  const bytes = utf8Bytes(limitKey)
  if (bytes > MAX_LIMIT_KEY_BYTES)
    throw new TypeError(`limitKey is ${bytes} bytes of UTF-8; at most ${MAX_LIMIT_KEY_BYTES} are allowed`)
}
