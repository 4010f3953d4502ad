import type { ListOrder } from '../rules.js'
import { byCodeUnit, SortedKeys } from './sorted-keys.js'

const NOT_ASCII = /\P{ASCII}/u

/**
 * A key as a string whose units are its UTF-8 bytes: compared by unit, such strings are in S3's order, which
 * UTF-16 is not.
 */
export function bytesOf(key: string): string {
  return NOT_ASCII.test(key) ? Buffer.from(key, 'utf8').toString('latin1') : key
}

/** The key back. */
export function keyOf(bytes: string): string {
  return NOT_ASCII.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes
}

/** An order of listings, and how a set of keys is read in it. */
export interface KeyOrder {
  /** Whether all keys of a prefix are next to each other. */
  readonly contiguous: boolean
  empty(): SortedKeys
  compare(a: string, b: string): number
}

/** By UTF-8 bytes, as AWS and most others have it. */
const utf8Order: KeyOrder = {
  contiguous: true,
  empty: () => new SortedKeys(),
  compare: byCodeUnit,
}

/** By UTF-16 code units, as in servers that sort strings of Java or JavaScript. */
const utf16Order: KeyOrder = {
  contiguous: false,
  empty: () => new SortedKeys(byUtf16),
  compare: byUtf16,
}

function byUtf16(a: string, b: string): number {
  return byCodeUnit(keyOf(a), keyOf(b))
}

const collator = new Intl.Collator('en')

/** By the rules of a language: wrong, and found in servers that sort with `localeCompare`. */
const localeOrder: KeyOrder = {
  contiguous: false,
  empty: () => new SortedKeys(byLocale),
  compare: byLocale,
}

function byLocale(a: string, b: string): number {
  return collator.compare(keyOf(a), keyOf(b)) || byCodeUnit(a, b)
}

/** The orders by name. */
export const keyOrders: Readonly<Record<ListOrder, KeyOrder>> = {
  utf8: utf8Order,
  utf16: utf16Order,
  locale: localeOrder,
}
