/** What {@link watchInterrupts} needs of `process`. */
export type SignalSource = Pick<NodeJS.Process, 'on' | 'off' | 'exit'>

/** The signals that end a process: Ctrl-C, a supervisor, and the end of its terminal. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** An abort signal for SIGINT, SIGTERM and SIGHUP, and the function that stops listening. */
export interface Interrupts {
  readonly signal: AbortSignal
  stop(): void
}

/**
 * Turns the first SIGINT, SIGTERM or SIGHUP into an abort, with the signal's name as the reason. The second
 * one exits at once with 130, without loss.
 *
 * @param early aborted where a signal came before
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
