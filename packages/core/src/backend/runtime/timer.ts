import type { Runtime } from '../../runtime.js'

export interface Timer {
  /** The callback does not run any more, unless it has run. */
  cancel(): void
}

export interface TimerOptions {
  readonly ms: number
  /** The timer does not keep the process alive. Default false. */
  readonly background?: boolean
}

/** Calls back once after `ms`, by the runtime's timers. The callback must not throw. */
export function startTimer(
  runtime: Pick<Runtime, 'sleep'>,
  { ms, background = false }: TimerOptions,
  run: () => void,
): Timer {
  const cancelled = new AbortController()
  void callAfter(runtime.sleep(ms, cancelled.signal, { background }), cancelled.signal, run)
  return { cancel: () => cancelled.abort(CANCELLED) }
}

/** So that no error with a stack is made for each timer. */
const CANCELLED = 'the timer was cancelled'

async function callAfter(slept: Promise<void>, signal: AbortSignal, run: () => void): Promise<void> {
  await slept
  if (!signal.aborted) run()
}

/**
 * A signal that aborts after `ms` with a `TimeoutError`, as `AbortSignal.timeout` does. It does not keep the
 * process alive.
 */
export function timeoutSignal(runtime: Pick<Runtime, 'sleep'>, ms: number): AbortSignal {
  const timeout = new AbortController()
  startTimer(runtime, { ms, background: true }, () => {
    timeout.abort(new DOMException(`no end within ${ms} ms`, 'TimeoutError'))
  })
  return timeout.signal
}
