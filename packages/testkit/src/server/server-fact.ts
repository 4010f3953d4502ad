/**
 * One thing that a server is expected to do, which a fake is held against as the real ones are.
 *
 * @typeParam Target a server under test, and what is known of it
 */
export interface ServerFact<Target> {
  /** Such as `S3-INM-1`. */
  readonly id: string
  /** What holds, in one sentence. */
  readonly title: string
  /** Why it cannot be tested here; `undefined` to run it. */
  readonly needs?: (target: Target) => string | undefined
  /** Rejects with a message when it does not hold. It touches only what it created. */
  run(target: Target): Promise<void>
}

/** The error about a server for which a fact does not hold. */
export function brokenFact({ id, title }: Pick<ServerFact<never>, 'id' | 'title'>, error: unknown): Error {
  const what = error instanceof Error ? error.message : 'it threw what is no Error'
  return new Error(`${id} does not hold: ${title}\n  what:     ${what}`, { cause: error })
}
