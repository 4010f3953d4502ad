/** Beside those of Q-END-1: three wait for timeouts, and two until items are old. */
const OTHERS = ['Q-UPDATE-4/a', 'Q-SWEEP-1/a', 'Q-PUT-5/c', 'Q-GET-7/c', 'Q-PEEK-1/c']

/**
 * The cases of the contract that wait most of the time, so that many may run at once; none of them fails for
 * being late.
 */
export function waitsMostly(id: string): boolean {
  return id.startsWith('Q-END-1') || OTHERS.includes(id)
}
