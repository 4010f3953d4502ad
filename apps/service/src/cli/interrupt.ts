/** What {@link watchInterrupts} needs of `process`. */
export type SignalSource = Pick<NodeJS.Process, 'on' | 'off' | 'exit'>

/** What asks a process to end: a person, a supervisor, and the end of the terminal that it was started in. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** A signal that SIGINT, SIGTERM or SIGHUP aborts, and the end of listening. */
export interface Interrupts {
  readonly signal: AbortSignal
  stop(): void
}

/**
 * Turns the first SIGINT, SIGTERM or SIGHUP into an aborted signal, its reason the signal's name; the second one ends the process
 * at once with exit code 130, by which nothing is lost.
 *
 * @param early aborted where one had come before
 */
export function watchInterrupts(source: SignalSource = process, early?: AbortSignal): Interrupts {
  const controller = new AbortController()
  if (early?.aborted === true) controller.abort(early.reason)
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) source.exit(130)
    controller.abort(name)
  }
  for (const name of SIGNALS) source.on(name, onSignal)
  return {
    signal: controller.signal,
    stop: () => {
      for (const name of SIGNALS) source.off(name, onSignal)
    },
  }
}
