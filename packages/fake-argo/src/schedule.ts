import type { Runtime } from '@sluice/core'
import { Agenda } from './agenda.js'
import { Alarm } from './alarm.js'

/** Does what is planned when it is due: at the next call of `catchUp`, or by an alarm on the clock. */
export class Schedule<T> {
  readonly #runtime: Runtime
  readonly #act: (what: T, at: number) => void
  readonly #agenda = new Agenda<T>()
  readonly #alarm: Alarm
  #paused = false
  #notBefore = Number.NEGATIVE_INFINITY

  /** @param act does one thing; `at` is the instant it was due, however late it is */
  constructor(runtime: Runtime, act: (what: T, at: number) => void) {
    this.#runtime = runtime
    this.#act = act
    this.#alarm = new Alarm(runtime, () => this.catchUp())
  }

  get paused(): boolean {
    return this.#paused
  }

  /** Plans something; at `Infinity` it never comes. */
  add(what: T, at: number): void {
    if (at === Number.POSITIVE_INFINITY) return
    this.#agenda.add(at, what)
    this.#arm()
  }

  /** Does all that is due. */
  catchUp(): void {
    const now = this.#runtime.now()
    while (!this.#paused && (this.#agenda.nextAt ?? now + 1) <= now) {
      const due = this.#agenda.take()
      if (due !== undefined) this.#act(due.what, Math.max(due.at, this.#notBefore))
    }
    this.#arm()
  }

  /** Nothing is done until `resume`. */
  pause(): void {
    this.#paused = true
    this.#alarm.silence()
  }

  /** Does what became due meanwhile, as of now. */
  resume(): void {
    this.#paused = false
    this.#notBefore = this.#runtime.now()
    this.catchUp()
  }

  #arm(): void {
    const next = this.#agenda.nextAt
    if (!this.#paused && next !== undefined) this.#alarm.set(next)
  }
}
