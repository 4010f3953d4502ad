/** A failure group that has just begun. */
export interface NewGroup {
  readonly id: string
  readonly reason: string
  readonly example: string
  /** Of its first failure, epoch ms of the storage's clock. */
  readonly sinceAt: number
  readonly failed: number
}

/** The failure groups of a queue. */
export interface FailureGroups {
  /** Ids of those that are not new any more, the latest last. */
  readonly known: readonly string[]
  readonly fresh: readonly NewGroup[]
}

export const NO_GROUPS: FailureGroups = { known: [], fresh: [] }

/** Of the oldest ones nothing is kept: should they occur again, they are new. */
export const MAX_KNOWN = 500
const MAX_FRESH = 50

/** One more failure of a group. */
export function withGroupFailure(
  groups: FailureGroups,
  failure: Omit<NewGroup, 'sinceAt' | 'failed'> & { readonly at: number },
  windowMs: number,
): FailureGroups {
  const { at, ...of } = failure
  const { known, fresh } = aged(groups, at, windowMs)
  if (known.includes(of.id)) return { known, fresh }
  const group = fresh.find(({ id }) => id === of.id) ?? { ...of, sinceAt: at, failed: 0 }
  const others = fresh.filter(({ id }) => id !== of.id)
  const all = [...others, { ...group, failed: group.failed + 1 }]
  const surplus = all.slice(0, Math.max(0, all.length - MAX_FRESH))
  return {
    known: [...known, ...surplus.map(({ id }) => id)].slice(-MAX_KNOWN),
    fresh: all.slice(surplus.length),
  }
}

/** Groups that began longer ago than the window are known. */
function aged(groups: FailureGroups, at: number, windowMs: number): FailureGroups {
  const isOld = ({ sinceAt }: NewGroup): boolean => at - sinceAt >= windowMs
  if (!groups.fresh.some(isOld)) return groups
  const old = groups.fresh.filter(isOld).map(({ id }) => id)
  return {
    known: [...groups.known, ...old].slice(-MAX_KNOWN),
    fresh: groups.fresh.filter((group) => !isOld(group)),
  }
}

/** All of them are known: the operator who resumes the queue has seen them. */
export function allKnown({ known, fresh }: FailureGroups): FailureGroups {
  return { known: [...known, ...fresh.map(({ id }) => id)].slice(-MAX_KNOWN), fresh: [] }
}
