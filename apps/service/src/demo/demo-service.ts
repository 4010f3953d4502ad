import { silentLogger, type Logger, type Queue, type Runtime, type Worker } from '@sluice/core'
import type { WorkEvent } from '@sluice/engine'
import { every } from '../cli/timing.js'
import { configSchema } from '../config/config-schema.js'
import type { Output } from '../output/output.js'
import { LiveView } from '../output/live-view.js'
import { plural } from '../output/amounts.js'
import { readStatus, type QueueStatus } from '../status/read-status.js'
import { limitText, statusLine, statusText } from '../status/status-text.js'
import { RateMeter } from '../output/rate-meter.js'
import { runService, type ServiceConfig, type ServiceEnd } from '../run/service.js'
import type { DemoKind } from './demo-kind.js'

export interface DemoServiceOptions {
  readonly queue: Queue
  readonly worker: Worker
  readonly limit: number
  readonly kind: DemoKind
  readonly output: Output
  readonly signal: AbortSignal
  readonly runtime: Runtime
}

const VIEW_GAP_MS = 200
const RATE_WINDOW_MS = 10_000
/** Short, so that a run after `kill -9` continues soon. */
export const DEMO_LEASE_MS = 3_000

/** Runs the service of `sluice run` until the queue is empty, and shows its progress. */
export async function runDemoService(options: DemoServiceOptions): Promise<ServiceEnd> {
  const view = new DemoView(options)
  try {
    return await runService({
      queue: options.queue,
      worker: options.worker,
      config: serviceConfig(options),
      logger: viewLogger(view),
      signal: options.signal,
      runtime: options.runtime,
      untilEmpty: true,
      onEvent: (event) => view.tell(event),
    })
  } finally {
    await view.stop()
  }
}

function serviceConfig({ limit, kind }: DemoServiceOptions): ServiceConfig {
  const service = { intervalMs: 250, leaseTtlMs: DEMO_LEASE_MS }
  const queue = { package: 'sql', name: 'demo' }
  return configSchema.parse({ queue, processing: { limit }, service, ...kind.settings })
}

/** Log lines would break the live view, which shows problems itself. Failed items are in the summary. */
function viewLogger(view: DemoView): Logger {
  const trouble = (fields: object, message: string): void => view.note('code' in fields ? message : undefined)
  return { ...silentLogger, warn: trouble, error: trouble }
}

/** The demo is the service itself, so it knows the limit. */
function limitOf({ limit }: QueueStatus, own: number): string {
  return limit.live === undefined ? `at most ${plural(own, 'job')} at once` : limitText(limit)
}

/** The view of `sluice status --watch` on a terminal; elsewhere an occasional line; with `--json` nothing. */
class DemoView {
  readonly #options: DemoServiceOptions
  readonly #meter = new RateMeter(RATE_WINDOW_MS)
  readonly #view: LiveView | undefined
  readonly #timer: { cancel(): void }
  #note: string | undefined
  #drawing: Promise<void> | undefined

  constructor(options: DemoServiceOptions) {
    const { output, runtime } = options
    this.#options = options
    if (!output.json)
      this.#view = new LiveView({ stream: output.live ? output.stdout : output.stderr, runtime })
    this.#timer = every(runtime, VIEW_GAP_MS, () => this.#tick())
  }

  tell(event: WorkEvent): void {
    if (event.kind === 'standby')
      this.#note = 'waiting for the lease of another run, which may have been killed'
    if (event.kind === 'dispatcher' || event.kind === 'outage-over') this.#note = undefined
  }

  note(text: string | undefined): void {
    this.#note = text ?? this.#note
  }

  async stop(): Promise<void> {
    this.#timer.cancel()
    await this.#drawing
    this.#view?.stop()
  }

  #tick(): void {
    // Never two at once: slow storage must not get more requests.
    this.#drawing ??= this.#draw()
      .catch(() => undefined)
      .finally(() => (this.#drawing = undefined))
  }

  async #draw(): Promise<void> {
    if (this.#view === undefined) return
    const { queue, limit, output, runtime } = this.#options
    const status = await readStatus(queue, { configuredLimit: limit, meter: this.#meter, runtime })
    const note = this.#note
    this.#view.update({
      picture: () =>
        [
          statusText(status, output, limitOf(status, limit)),
          ...(note === undefined ? [] : [output.colors.yellow(note)]),
        ].join('\n'),
      line: () => (note === undefined ? statusLine(status) : `${statusLine(status)} · ${note}`),
    })
  }
}
