import { outsideCalls } from './call-time.js'

/**
 * A call that several callers share. Each caller gets the outcome of a call that began after it asked: one
 * that is under way may know too little, so the caller waits for the next one, together with all that ask
 * meanwhile.
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
    // It belongs to all callers: none of them ends it by giving up.
    const running: Promise<T> = outsideCalls(this.#call).finally(() => {
      if (this.#running === running) this.#running = undefined
    })
    this.#running = running
    return running
  }
}
