/** Plays: several services on one queue, with faults and operators, held against what Sluice promises. */
export { play } from './play.js'
export type { PlayResult } from './play.js'
export type { Violation } from './checker.js'
