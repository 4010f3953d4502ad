import type { Ground } from './ground.js'
import { look, type Protocol } from './storage-op.js'
import { valuesOf } from './ground.js'

/** A LIST costs as much as a dozen HEADs: one that tells of fewer names isn't worth it. */
const LOOKS_PER_LIST = 12

/**
 * Which of some names, in their order, exist under another prefix too. All prefixes have the same order, so one page of the other one tells
 * of all the names that lie within it; where it tells of few, they are asked for one by one.
 */
export async function presentIn(
  ground: Ground,
  folder: 'PROCESSING' | 'SUCCESS' | 'FAIL' | 'LEFT',
  names: readonly string[],
): Promise<Set<string>> {
  const present = new Set<string>()
  for (let start = 0; start < names.length;) {
    const told = await tellByPage(ground, { folder, names, start, present })
    start += told
    if (told >= LOOKS_PER_LIST || start >= names.length) continue
    const few = names.slice(start, start + LOOKS_PER_LIST)
    for (const name of await tellByLooks(ground, folder, few)) present.add(name)
    start += few.length
  }
  return present
}

interface PageTelling {
  readonly folder: 'PROCESSING' | 'SUCCESS' | 'FAIL' | 'LEFT'
  readonly names: readonly string[]
  readonly start: number
  readonly present: Set<string>
}

/** How many of the names, from `start`, one page tells of. */
async function tellByPage(
  { store, layout }: Ground,
  { folder, names, start, present }: PageTelling,
): Promise<number> {
  const [first, last] = [names[start] ?? '', names.at(-1) ?? '']
  const prefix = layout.folder(folder)
  // Without its last character a name sorts before itself, and next to nothing sorts between the two.
  const page = await store.list({ prefix, after: prefix + first.slice(0, -1) })
  const wanted = new Set(names.slice(start))
  for (const { key } of page.objects) {
    const name = key.slice(prefix.length)
    if (wanted.has(name)) present.add(name)
  }
  const end = page.objects.at(-1)?.key.slice(prefix.length) ?? ''
  if (!page.more || end >= last) return names.length - start
  return names.slice(start).filter((name) => name <= end).length
}

async function tellByLooks(
  ground: Ground,
  folder: PageTelling['folder'],
  names: readonly string[],
): Promise<readonly string[]> {
  const looks = names.map((name) => isThere(ground.layout.at(folder, name)))
  const found = valuesOf(await ground.runAll(looks))
  return names.filter((_, index) => found[index])
}

function* isThere(key: string): Protocol<boolean> {
  return (yield* look(key)) !== undefined
}
