/** How far apart two crystals may run: bounds learnt earlier widen by so much. */
const DRIFT = 0.0002
/** Of how many of the latest answers the `Date` is kept. */
const KEPT = 15
/** Among those, how many must say that the clock is further ahead before it is believed, and how many that it is behind. */
const AHEAD = 13
const BEHIND = 8
/** How many answers must agree for the clock to be sure, while few have come. */
const SURE = 3

/** The span in which the difference of the store's clock to that of this process lies. */
interface Span {
  readonly low: number
  readonly high: number
}

/**
 * The store's clock, as far as its answers tell. Each has a `Date`, cut to whole seconds, that was read between the sending of the request
 * and the coming of the answer: a span in which the difference to this process's monotonic clock must lie. The spans of answers that agree
 * have a narrow common part. The machine's own time of day is never used.
 *
 * An answer that does not agree with those before it moves nothing by itself: a proxy may have made it, or a gateway whose clock is off. What 13 of
 * the latest 15 answers say in common is believed if it is ahead, since what is given out, deleted or taken over early is so for good; of what is
 * behind, 8 of 15. Until three agree, the one furthest behind counts.
 */
export class StoreClock {
  readonly #monotonicMs: () => number
  /** The latest, each in its span as it was then. */
  readonly #recent: Span[] = []
  #agreed: Span | undefined
  #isSure = false
  #seenAt = 0
  #latest = 0
  #setOnAt = Number.NEGATIVE_INFINITY

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs
  }

  /** Whether any answer has come yet that had a `Date`. */
  get isSet(): boolean {
    return this.#agreed !== undefined
  }

  /** Whether enough answers have said the same. */
  get isSure(): boolean {
    return this.#isSure
  }

  /** How far the latest answers are from what is believed, in ms, a single one not counted: as far may the clocks of the store's gateways differ. */
  get spreadMs(): number {
    const agreed = this.#agreed
    if (agreed === undefined) return 0
    const distances = this.#recent.map(({ low, high }) => Math.max(0, low - agreed.high, agreed.low - high))
    return distances.toSorted((a, b) => b - a)[1] ?? 0
  }

  /** Whether the clock has not been set on, as far as this process has seen, since an instant of it: then its age can be told. */
  isSteadySince(at: number): boolean {
    return at >= this.#setOnAt
  }

  monotonicMs(): number {
    return this.#monotonicMs()
  }

  /** One answer: its `Date` in epoch ms, and when the request went out and the answer came, monotonic ms. */
  observe(dateMs: number, sentAt: number, receivedAt: number): void {
    const span = { low: dateMs - receivedAt, high: dateMs + 1_000 - sentAt }
    const drift = Math.max(0, receivedAt - this.#seenAt) * DRIFT
    this.#seenAt = Math.max(this.#seenAt, receivedAt)
    this.#recent.push(span)
    if (this.#recent.length > KEPT) this.#recent.shift()
    const before = this.#agreed && { low: this.#agreed.low - drift, high: this.#agreed.high + drift }
    this.#agreed = (before && commonOf(before, span)) ?? this.#moved(before) ?? span
    this.#isSure ||= this.#recent.filter((one) => commonOf(one, this.#agreed ?? one)).length >= SURE
  }

  /** Epoch ms, never later than it is at the store, and never before what it gave once it was sure. */
  now(): number {
    if (this.#agreed === undefined) return this.#latest
    const now = Math.round(this.#monotonicMs() + this.#agreed.low)
    if (!this.#isSure) return now
    this.#latest = Math.max(this.#latest, now)
    return this.#latest
  }

  /** What is believed after an answer that does not agree with what was. */
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

/** The common part of those that agree with one of them, the most there are, if they are so many. Of as many, the one furthest behind. */
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
