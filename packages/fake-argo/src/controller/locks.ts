import { asArray, asObject, asText, type JsonObject } from '../argo-workflow.js'

/** The mutexes of one cluster: their holders, and those that wait, in order. */
export class Locks<T> {
  readonly #holders = new Map<string, T>()
  readonly #waiting = new Set<T>()

  /**
   * Gives all of these to one holder, or none: then the first that is held by another is returned, and it
   * waits.
   */
  take(one: T, names: readonly string[]): string | undefined {
    const missing = names.find((name) => (this.#holders.get(name) ?? one) !== one)
    if (missing !== undefined) {
      this.#waiting.add(one)
      return missing
    }
    this.#waiting.delete(one)
    for (const name of names) this.#holders.set(name, one)
    return undefined
  }

  /** It neither holds nor awaits any. */
  leave(one: T): void {
    this.#waiting.delete(one)
    for (const [name, holder] of this.#holders) if (holder === one) this.#holders.delete(name)
  }

  /** Those that wait, in order. */
  get waiting(): readonly T[] {
    return [...this.#waiting]
  }
}

/** The mutexes that a workflow needs as a whole: `mutexes`, or `mutex` as it was before v3.6. */
export function mutexesOf(spec: JsonObject): readonly string[] {
  const { mutex, mutexes } = asObject(spec['synchronization'])
  const all = [...asArray(mutexes), ...(mutex === undefined ? [] : [mutex])]
  return all.flatMap((one) => asText(asObject(one)['name']) ?? [])
}

/** The message of a workflow that waits for a mutex. */
export function waitingFor(namespace: string, mutex: string): string {
  return `Waiting for ${namespace}/Mutex/${mutex} lock. Lock status: 0/1`
}
