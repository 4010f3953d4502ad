/** What {@link watchInterrupts} needs of `process`. */
export type SignalSource = Pick<NodeJS.Process, 'on' | 'off' | 'exit'>

/** A signal that SIGINT or SIGTERM aborts, and the end of listening. */
export interface Interrupts {
  readonly signal: AbortSignal
  stop(): void
}

/**
 * Turns the first SIGINT or SIGTERM into an aborted signal, its reason the signal's name; the second one ends the process
 * at once with exit code 130, by which nothing is lost.
 */
export function watchInterrupts(source: SignalSource = process): Interrupts {
  const controller = new AbortController()
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) source.exit(130)
    controller.abort(name)
  }
  source.on('SIGINT', onSignal)
  source.on('SIGTERM', onSignal)
  return {
    signal: controller.signal,
    stop: () => {
      source.off('SIGINT', onSignal)
      source.off('SIGTERM', onSignal)
    },
  }
}
