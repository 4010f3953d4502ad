import { outsideCalls } from './call-time.js'

/**
 * A call that many may want at once. Whoever asks gets the outcome of one that begins after it asked: if one is under way it may know too
 * little, so the next one is waited for, which all share who ask meanwhile.
 */
export class SharedCall<T> {
  readonly #call: () => Promise<T>
  #running: Promise<T> | undefined
  #next: Promise<T> | undefined

  constructor(call: () => Promise<T>) {
    this.#call = call
  }

  run(): Promise<T> {
    if (this.#running === undefined) return this.#begin()
    const begin = (): Promise<T> => this.#begin()
    this.#next ??= this.#running.then(begin, begin)
    return this.#next
  }

  #begin(): Promise<T> {
    this.#next = undefined
    // It is of all who wait for it: none of them ends it by giving up.
    const running: Promise<T> = outsideCalls(this.#call).finally(() => {
      if (this.#running === running) this.#running = undefined
    })
    this.#running = running
    return running
  }
}
