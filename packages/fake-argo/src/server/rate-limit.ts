/** The HTTP layer's rate limiter: a number of requests in each second. */
export class RateLimit {
  /** Requests a second; Argo's own default is 1,000. */
  perSecond: number
  #second = 0
  #used = 0

  constructor(perSecond: number) {
    this.perSecond = perSecond
  }

  /** Counts one request; returns its headers for the answer, and whether it is over the limit. */
  take(now: number): { readonly headers: Readonly<Record<string, string>>; readonly over: boolean } {
    const second = Math.floor(now / 1000)
    if (second !== this.#second) this.#used = 0
    this.#second = second
    const over = this.#used >= this.perSecond
    if (!over) this.#used++
    const reset = new Date((second + 1) * 1000).toUTCString()
    const headers = {
      'x-ratelimit-limit': String(this.perSecond),
      'x-ratelimit-remaining': String(this.perSecond - this.#used),
      'x-ratelimit-reset': reset,
    }
    return { headers: over ? { ...headers, 'retry-after': reset } : headers, over }
  }
}
