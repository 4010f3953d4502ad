/** How the cases are registered with a test runner. */
export interface RunnerOptions {
  /** A case that takes longer has failed. Default 60,000 ms. */
  readonly timeoutMs?: number
  /** Run the cases concurrently instead of one after the other: for a distant store. Default false. */
  readonly concurrent?: boolean
  /** Which cases, by their ids: to spread a long contract over several files. Default all. */
  readonly only?: (id: string) => boolean
}
