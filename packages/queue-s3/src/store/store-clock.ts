/** The drift between two crystals: earlier bounds widen at this rate. */
const DRIFT = 0.0002
/** The number of latest answers whose `Date` is kept. */
const KEPT = 15
/** How many of those must say that the clock is further ahead, or behind, before it is believed. */
const AHEAD = 13
const BEHIND = 8
/** How many answers must agree for the clock to be sure, while few have come. */
const SURE = 3

/** The bounds of the difference between the store's clock and this process's. */
interface Span {
  readonly low: number
  readonly high: number
}

/**
 * The store's clock, as estimated from its answers. Each has a `Date`, truncated to whole seconds, that was
 * read between the request and the arrival of the answer: bounds for the difference to this process's
 * monotonic clock. The bounds of answers that agree intersect in a narrow span. The machine's wall clock is
 * never used.
 *
 * A single answer that disagrees changes nothing: a proxy may have made it, or a gateway whose clock is off.
 * A clock further ahead is believed if 13 of the latest 15 answers agree on it, since what is claimed,
 * deleted or taken over early is so for good; one further behind, if 8 of 15 do. Until three agree, the one
 * furthest behind counts.
 */
export class StoreClock {
  readonly #monotonicMs: () => number
  /** The latest, each with its bounds at the time. */
  readonly #recent: Span[] = []
  #agreed: Span | undefined
  #isSure = false
  #seenAtMonotonic = 0
  #latest = 0
  #setOnAt = Number.NEGATIVE_INFINITY

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs
  }

  /** Whether any answer with a `Date` has come yet. */
  get isSet(): boolean {
    return this.#agreed !== undefined
  }

  /** Whether enough answers agree. */
  get isSure(): boolean {
    return this.#isSure
  }

  /**
   * How far the latest answers are from the estimate, in ms, except for a single one: the clocks of the
   * store's gateways may differ as much.
   */
  get spreadMs(): number {
    const agreed = this.#agreed
    if (agreed === undefined) return 0
    const distances = this.#recent.map(({ low, high }) => Math.max(0, low - agreed.high, agreed.low - high))
    return distances.toSorted((a, b) => b - a)[1] ?? 0
  }

  /**
   * Whether this process has seen no jump ahead of the clock since an instant of it: then the age of that
   * instant is known.
   */
  isSteadySince(at: number): boolean {
    return at >= this.#setOnAt
  }

  monotonicMs(): number {
    return this.#monotonicMs()
  }

  /**
   * One answer: its `Date` in epoch ms, and when the request was sent and the answer arrived, monotonic ms.
   */
  observe(dateAt: number, sentAtMonotonic: number, receivedAtMonotonic: number): void {
    const span = { low: dateAt - receivedAtMonotonic, high: dateAt + 1_000 - sentAtMonotonic }
    const drift = Math.max(0, receivedAtMonotonic - this.#seenAtMonotonic) * DRIFT
    this.#seenAtMonotonic = Math.max(this.#seenAtMonotonic, receivedAtMonotonic)
    this.#recent.push(span)
    if (this.#recent.length > KEPT) this.#recent.shift()
    const before = this.#agreed && { low: this.#agreed.low - drift, high: this.#agreed.high + drift }
    this.#agreed = (before && commonOf(before, span)) ?? this.#moved(before) ?? span
    this.#isSure ||= this.#recent.filter((one) => commonOf(one, this.#agreed ?? one)).length >= SURE
  }

  /** Epoch ms, never later than at the store, and never before an earlier result once it was sure. */
  now(): number {
    if (this.#agreed === undefined) return this.#latest
    const now = Math.round(this.#monotonicMs() + this.#agreed.low)
    if (!this.#isSure) return now
    this.#latest = Math.max(this.#latest, now)
    return this.#latest
  }

  /** The estimate after an answer that disagrees with it. */
  #moved(before: Span | undefined): Span | undefined {
    if (before === undefined) return undefined
    if (!this.#isSure) return mostAgreed(this.#recent, 2) ?? lowestOf(this.#recent)
    const behind = this.#recent.filter(({ high }) => high < before.low)
    const ahead = this.#recent.filter(({ low }) => low > before.high)
    const further = mostAgreed(behind, BEHIND) ?? mostAgreed(ahead, AHEAD) ?? before
    if (further.low > before.high) this.#setOnAt = this.#monotonicMs() + further.low
    return further
  }
}

function commonOf(one: Span, other: Span): Span | undefined {
  const common = { low: Math.max(one.low, other.low), high: Math.min(one.high, other.high) }
  return common.low <= common.high ? common : undefined
}

/**
 * The intersection of the largest group that agrees, if it has `count` members. Of groups of equal size, the
 * one furthest behind.
 */
function mostAgreed(spans: readonly Span[], count: number): Span | undefined {
  const points = spans.map(({ low }) => low).toSorted((a, b) => a - b)
  let best: readonly Span[] = []
  for (const point of points) {
    const at = spans.filter(({ low, high }) => low <= point && point <= high)
    if (at.length > best.length) best = at
  }
  if (best.length === 0 || best.length < count) return undefined
  return { low: Math.max(...best.map(({ low }) => low)), high: Math.min(...best.map(({ high }) => high)) }
}

function lowestOf(spans: readonly Span[]): Span | undefined {
  return spans.toSorted((a, b) => a.low - b.low)[0]
}
