/** The four stages of an item, in the order an item usually meets them. */
export const STAGES = ['WAITING', 'PROCESSING', 'SUCCESS', 'FAIL'] as const

/** Where an item is. */
export type Stage = (typeof STAGES)[number]

/** A stage that an item leaves only by `requeue` or `remove`. */
export type FinalStage = 'SUCCESS' | 'FAIL'

/** One legal move of an item. */
export interface Move {
  readonly name: 'get' | 'success' | 'fail' | 'release' | 'requeue'
  readonly from: Stage
  readonly to: Stage
}

/** Every legal move. What is not in this table must not happen in any backend. */
export const MOVES: readonly Move[] = [
  { name: 'get', from: 'WAITING', to: 'PROCESSING' },
  { name: 'success', from: 'PROCESSING', to: 'SUCCESS' },
  { name: 'fail', from: 'PROCESSING', to: 'FAIL' },
  { name: 'release', from: 'PROCESSING', to: 'WAITING' },
  { name: 'requeue', from: 'FAIL', to: 'WAITING' },
]

/** Whether some move leads from one stage to the other. */
export function canMove(from: Stage, to: Stage): boolean {
  return MOVES.some((move) => move.from === from && move.to === to)
}

/** Whether a value is one of the four stages, spelt exactly so. */
export function isStage(value: unknown): value is Stage {
  return STAGES.some((stage) => stage === value)
}

/** @throws TypeError when the value is not one of the four stages. */
export function assertStage(value: unknown): asserts value is Stage {
  if (!isStage(value))
    throw new TypeError(`stage must be one of ${STAGES.join(', ')}; got ${describe(value)}`)
}

function describe(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : typeof value
}
