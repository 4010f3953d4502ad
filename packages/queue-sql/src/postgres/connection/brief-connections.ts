import type { PostgresPoolClient, PostgresQueryResult } from 'kysely'

/** A connection of the pool, taken until it is released. */
export interface TakenConnection extends PostgresPoolClient {
  /**
   * Whether statements are sent without waiting for the answers to those before. Changed while it is idle.
   */
  setPipelining(isOn: boolean): void
}

export interface BriefConnectionsParts {
  readonly take: () => Promise<TakenConnection>
  /** Whether a call waits for a connection. */
  readonly isAwaited: () => boolean
}

/** The most reads that share a connection: a slow one delays the others. */
export const MAX_PIPELINED = 8

/** A statement that only reads, and is complete in itself. */
const READ = /^(?:\/\*[^*]*\*\/ )?select\b/iu

/** One connection that several reads use at once. */
interface Pipeline {
  readonly connection: Promise<TakenConnection>
  reads: number
}

/**
 * The connections of a short command. Opening one takes about four round trips, so concurrent reads share one
 * and are sent without waiting for each other: each has its own Sync, and so an error is that of one. All
 * else, such as a transaction, has a connection of its own, which is the same one if it is free.
 */
export class BriefConnections {
  readonly #parts: BriefConnectionsParts
  #pipeline: Pipeline | undefined

  constructor(parts: BriefConnectionsParts) {
    this.#parts = parts
  }

  /** What is needed is known by the first statement only: this waits for no connection. */
  connect(): PostgresPoolClient {
    let own: TakenConnection | undefined
    const query = async <R>(
      text: string,
      parameters: readonly unknown[],
    ): Promise<PostgresQueryResult<R>> => {
      if (own === undefined && READ.test(text)) return this.#read<R>(text, parameters)
      own ??= await this.#parts.take()
      return own.query<R>(text, parameters)
    }
    return {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- kysely's second form, for cursors, is unused
      query: query as PostgresPoolClient['query'],
      release: (destroy) => own?.release(destroy),
    }
  }

  async #read<R>(text: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>> {
    const pipeline = this.#join()
    try {
      return await (await pipeline.connection).query<R>(text, parameters)
    } catch (error) {
      // The connection may be of no more use.
      this.#close(pipeline)
      throw error
    } finally {
      await this.#leave(pipeline)
    }
  }

  #join(): Pipeline {
    const current = this.#pipeline
    if (current !== undefined && current.reads < MAX_PIPELINED && !this.#parts.isAwaited()) {
      current.reads += 1
      return current
    }
    const made = { connection: this.#takePipelined(), reads: 1 }
    this.#pipeline = made
    return made
  }

  async #takePipelined(): Promise<TakenConnection> {
    const connection = await this.#parts.take()
    connection.setPipelining(true)
    return connection
  }

  /** The last read releases the connection. */
  async #leave(pipeline: Pipeline): Promise<void> {
    pipeline.reads -= 1
    if (pipeline.reads > 0) return
    this.#close(pipeline)
    // The reads have the error of a connection that could not be opened.
    const connection = await pipeline.connection.catch(() => undefined)
    connection?.setPipelining(false)
    connection?.release()
  }

  /** No further read joins it. */
  #close(pipeline: Pipeline): void {
    if (this.#pipeline === pipeline) this.#pipeline = undefined
  }
}
