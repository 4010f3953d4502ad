/**
 * Plays: several services on one queue, with faults and operators, checked against the promises of Sluice.
 */
export { play } from './play.js'
export type { PlayResult } from './play.js'
export type { Violation } from './checker.js'
