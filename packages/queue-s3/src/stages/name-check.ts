import { type QueueContext, valuesOf } from '../queue-context.js'
import { head, type Protocol } from '../store/storage-op.js'

/** A LIST costs as much as a dozen HEADs: one that covers fewer names isn't worth it. */
const HEADS_PER_LIST = 12

/**
 * Which of some sorted names exist under another prefix too. All prefixes have the same order, so one page of
 * the other one covers all the names within its range; where it covers few, they are requested one by one.
 */
export async function presentIn(
  context: QueueContext,
  folder: 'PROCESSING' | 'SUCCESS' | 'FAIL' | 'LEFT',
  names: readonly string[],
  { cached = new KnownNames(), isWanted = () => true }: PresenceOptions = {},
): Promise<Set<string>> {
  const present = new Set<string>()
  const known = names.filter((name) => name <= cached.upTo)
  for (const name of known) if (cached.names.has(name)) present.add(name)
  for (let start = known.length; start < names.length;) {
    const count = await checkByPage(context, { folder, names, start, present, cached, isWanted })
    start += count
    if (count >= HEADS_PER_LIST || start >= names.length) continue
    const few = names.slice(start, start + HEADS_PER_LIST)
    for (const name of await checkByHead(context, { folder, names: few, isWanted })) present.add(name)
    start += few.length
  }
  return present
}

interface PresenceOptions {
  readonly cached?: KnownNames
  /** Which of the objects count. It must not change between calls that share `known`. */
  readonly isWanted?: IsWanted
}

type IsWanted = (object: { readonly sizeBytes: number }) => boolean

/**
 * The names of the last page that was read of another prefix, for a walk that reaches further names: it may
 * cover them too.
 */
export class KnownNames {
  names: ReadonlySet<string> = new Set()
  /** Inclusive. Before the first page: below every name. */
  upTo = ''

  /** For another walk from here on. */
  fork(): KnownNames {
    return Object.assign(new KnownNames(), this)
  }
}

/** Above every name. */
const AFTER_ALL = '~'

interface PageCheck {
  readonly folder: 'PROCESSING' | 'SUCCESS' | 'FAIL' | 'LEFT'
  readonly names: readonly string[]
  readonly start: number
  readonly present: Set<string>
  readonly cached: KnownNames
  readonly isWanted: IsWanted
}

/** How many of the names, from `start`, one page covers. */
async function checkByPage(
  context: QueueContext,
  { folder, names, start, present, cached, isWanted }: PageCheck,
): Promise<number> {
  const [first, last] = [names[start] ?? '', names.at(-1) ?? '']
  const prefix = context.layout.folder(folder)
  // Without its last character a name sorts before itself, with next to nothing in between.
  const page = await context.list({ prefix, after: prefix + first.slice(0, -1) })
  const wanted = new Set(names.slice(start))
  const listed = page.objects.filter(isWanted).map(({ key }) => key.slice(prefix.length))
  for (const name of listed) if (wanted.has(name)) present.add(name)
  const end = (page.objects.at(-1)?.key ?? '').slice(prefix.length)
  cached.names = new Set(listed)
  cached.upTo = page.more ? end : AFTER_ALL
  if (!page.more || end >= last) return names.length - start
  return names.slice(start).filter((name) => name <= end).length
}

async function checkByHead(
  context: QueueContext,
  { folder, names, isWanted }: Pick<PageCheck, 'folder' | 'names' | 'isWanted'>,
): Promise<readonly string[]> {
  const checks = names.map((name) => isThere(context.layout.at(folder, name), isWanted))
  const found = valuesOf(await context.runAll(checks))
  return names.filter((_, index) => found[index])
}

function* isThere(key: string, isWanted: IsWanted): Protocol<boolean> {
  const object = yield* head(key)
  return object !== undefined && isWanted(object)
}
