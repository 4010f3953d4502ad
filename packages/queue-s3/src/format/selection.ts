import type { ItemSummary } from '@sluice/core'
import { createHash } from 'node:crypto'
import type { AttemptKey } from './attempt-key.js'
import { MAX_ADDITIONS_BYTES } from './key-encoding.js'

/** What a dispatch policy chooses an item by; empty: neither. */
export type Selection = Pick<ItemSummary, 'resources' | 'limitKey'>

/** The same, of fields that may be there without a value. */
type SelectionFields = { readonly [K in keyof Selection]: Selection[K] | undefined }

/** The name of the addition to a name whose value is the tag of a selection. */
const ADDITION = 's='
/** 36^16 is above 2^80. */
const TAG_CHARS = 16
const TAG_HEX_DIGITS = 20

/**
 * Names with the same tag have the same selection, so a listing reads it once for all of them; a name without
 * one has an item without resources and limit key.
 */
export function tagOf({ additions }: Pick<AttemptKey, 'additions'>): string | undefined {
  if (additions === '') return undefined
  const addition = additions.split(',').find((pair) => pair.startsWith(ADDITION))
  return addition?.slice(ADDITION.length)
}

/** The tag that this version gives a selection: 80 bits of the hash of its text. */
export function tagFor({ resources, limitKey }: SelectionFields): string | undefined {
  if (resources === undefined && limitKey === undefined) return undefined
  const text = JSON.stringify([resources ?? null, limitKey ?? null])
  const hash = createHash('sha256').update(text).digest('hex').slice(0, TAG_HEX_DIGITS)
  return BigInt(`0x${hash}`).toString(36).padStart(TAG_CHARS, '0')
}

/** The additions with this tag in place of theirs; `undefined` where they have no room for it. */
export function taggedAdditions(additions: string, tag: string | undefined): string | undefined {
  const others = additions.split(',').filter((pair) => pair !== '' && !pair.startsWith(ADDITION))
  const all = [...others, ...(tag === undefined ? [] : [`${ADDITION}${tag}`])].join(',')
  return all.length < MAX_ADDITIONS_BYTES ? all : undefined
}
