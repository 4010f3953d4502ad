import type { IncomingMessage } from 'node:http'

/** The requests that a server has in flight, and what the hooks of a test threw. */
export class ServedRequests {
  readonly #underWay = new Set<Promise<void>>()
  readonly #hookErrors: unknown[] = []

  /** Tracks the serving of one. */
  track(serving: Promise<void>, incoming: IncomingMessage): void {
    const ended = serving.catch((error: unknown) => {
      // An error of a hook: the sender sees a closed connection, the test the error.
      this.#hookErrors.push(error)
      drop(incoming)
    })
    this.#underWay.add(ended)
    void ended.finally(() => this.#underWay.delete(ended))
  }

  /**
   * Resolves when every request that arrived has taken effect or been dropped.
   *
   * @param url the server's, for the message
   * @throws what a hook threw meanwhile
   */
  async settled(url: string): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
    const errors = this.#hookErrors.splice(0)
    if (errors.length > 0) throw new AggregateError(errors, `The hook of ${url} threw: ${String(errors[0])}`)
  }
}

/** Closes the connection. */
export function drop(incoming: IncomingMessage): void {
  incoming.socket.destroy()
}

/** The whole body; `undefined` when the sender was cut off before its end. */
export function bodyOf(incoming: IncomingMessage): Promise<Buffer | undefined> {
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>()
  const parts: Buffer[] = []
  incoming.on('data', (part: Buffer) => parts.push(part))
  incoming.once('end', () => resolve(Buffer.concat(parts)))
  // A request that breaks off is none: no client waits for its answer.
  incoming.once('error', () => resolve(undefined))
  incoming.once('close', () => resolve(undefined))
  return promise
}

/** The headers by name in lower case, each as one text. */
export function headersOf(incoming: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(',') : value
  }
  return headers
}

/** Waits until a promise of the test settles. */
export async function settlement(until: Promise<unknown> | undefined): Promise<void> {
  // The test made it, and handles its outcome.
  await Promise.allSettled([until])
}
