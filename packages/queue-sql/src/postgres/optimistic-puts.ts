/** So many puts in a row must have met no known id before the next one relies on it again. */
const CAUTIOUS_PUTS = 64

/**
 * Whether a put may rely on all its ids being new, which most are. PostgreSQL then spares a fifth of the statement, in which it looks each id
 * up before it inserts it; if one is known after all the statement fails whole, with a line in the server's log, and is done again cautiously.
 */
export class HopefulPuts {
  #cautious = 0

  async run<Told>(
    hopeful: () => Promise<Told>,
    cautious: () => Promise<Told>,
    metKnown: (told: Told) => boolean,
  ): Promise<Told> {
    if (this.#cautious === 0) {
      try {
        return await hopeful()
      } catch (error) {
        if (!isKnownId(error)) throw error
      }
      this.#cautious = CAUTIOUS_PUTS
    }
    const told = await cautious()
    if (metKnown(told)) this.#cautious = CAUTIOUS_PUTS
    else this.#cautious -= 1
    return told
  }
}

/** SQLSTATE unique_violation. @see https://www.postgresql.org/docs/current/errcodes-appendix.html */
function isKnownId(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '23505'
}
