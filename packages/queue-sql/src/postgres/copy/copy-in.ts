import type pg from 'pg'

/** Starts a `copy … from stdin`, whose one parameter is its rows: an iterable of chunks. */
export const COPY_IN = '/* copy in */ '

/** The parts of a connection of `pg` that a COPY needs, and that its types leave out. */
interface CopyConnection {
  sendCopyFromChunk(chunk: Buffer): void
  endCopyFrom(): void
  sendCopyFail(reason: string): void
}

export interface CopyInOptions {
  readonly text: string
  readonly rows: Iterable<Buffer>
  /** Called when the server is ready for the rows, before the first is sent. */
  readonly onReady: () => void
  /** Called with the bytes of each chunk that was sent. */
  readonly onSent: (bytes: number) => void
}

/**
 * Sends rows by COPY. They are handed to the socket as fast as they are made: the caller bounds their size,
 * as that of a statement's parameters, and the server begins with the first while later ones are made.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-COPY
 */
export function copyIn(client: pg.PoolClient, options: CopyInOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    client.query(new CopyIn(options, resolve, reject))
  })
}

/** A query of `pg`, which calls these methods as the answers of the server come. */
class CopyIn implements pg.Submittable {
  readonly #options: CopyInOptions
  readonly #resolve: () => void
  readonly #reject: (error: unknown) => void
  #failure: { readonly error: unknown } | undefined

  constructor(options: CopyInOptions, resolve: () => void, reject: (error: unknown) => void) {
    this.#options = options
    this.#resolve = resolve
    this.#reject = reject
  }

  submit(connection: pg.Connection): void {
    connection.query(this.#options.text)
  }

  handleCopyInResponse(connection: CopyConnection): void {
    const { rows, onReady, onSent } = this.#options
    try {
      onReady()
      for (const chunk of rows) {
        // It copies the chunk.
        connection.sendCopyFromChunk(chunk)
        onSent(chunk.length)
      }
      connection.endCopyFrom()
    } catch (error) {
      this.#failure = { error }
      connection.sendCopyFail('the rows could not be made')
    }
  }

  handleCommandComplete(): void {
    // The number of rows is known.
  }

  handleError(error: unknown): void {
    this.#reject(this.#failure === undefined ? error : this.#failure.error)
  }

  handleReadyForQuery(): void {
    this.#resolve()
  }
}
