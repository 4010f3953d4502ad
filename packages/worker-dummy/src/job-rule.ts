/** How jobs end by themselves. It is evaluated when a job is read, so that no timer is needed. */
export interface JobRule {
  /** How long a job runs, in ms, 0 or more; of a pair, something between the two, both included. */
  readonly afterMs: number | readonly [number, number]
  /** How long a job is pending before it runs, in ms; of a pair, something between the two. Default 0. */
  readonly pendingMs?: number | readonly [number, number] | undefined
  /** The share of jobs that fail, 0 to 1. Default 0. */
  readonly failRate?: number | undefined
  /** Another seed, other fates. Default 1. */
  readonly seed?: number | undefined
}

/** What the rule says of one job. */
export interface JobFate {
  /** From its start, the time in which it is pending included, to its end. */
  readonly afterMs: number
  readonly pendingMs: number
  readonly fails: boolean
}

/**
 * The fate of one job. It depends on the rule, the id and the attempt alone, and is the same in every
 * process.
 *
 * @param attempt 1 or more
 */
export function jobFate(rule: JobRule, id: string, attempt: number): JobFate {
  const random = randomFrom(`${rule.seed ?? 1}\n${attempt}\n${id}`)
  const runsMs = within(rule.afterMs, random())
  const fails = random() < (rule.failRate ?? 0)
  const pendingMs = within(rule.pendingMs ?? 0, random())
  return { afterMs: pendingMs + runsMs, pendingMs, fails }
}

function within(span: number | readonly [number, number], share: number): number {
  const [min, max] = typeof span === 'number' ? [span, span] : span
  return Math.min(Math.floor(min + share * (max - min + 1)), max)
}

/** FNV-1a into mulberry32: small, and even enough for a dummy. */
function randomFrom(text: string): () => number {
  let state = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    state = Math.imul(state ^ text.charCodeAt(index), 0x01000193)
  }
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
