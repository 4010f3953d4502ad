import { Latencies, type Histogram } from './latency.ts'

/** What a process that does jobs has done and used since it started. */
export interface RunnerReading {
  /** Of jobs in this process: those that succeeded. */
  readonly done: number
  readonly latencies: Histogram
  readonly cpuUs: number
  readonly rssBytes: number
  readonly isDispatcher?: boolean
}

/** What a process that puts items has done and used since it started. */
export interface FeederReading {
  readonly put: number
  readonly cpuUs: number
}

/** What this process has used. */
export function usage(): { readonly cpuUs: number; readonly rssBytes: number } {
  const { user, system } = process.cpuUsage()
  return { cpuUs: user + system, rssBytes: process.memoryUsage.rss() }
}

/** Counts jobs that are done. */
export class Tally {
  done = 0
  readonly #latencies = new Latencies()

  /** @param putAt when the item was put, by the clock of this machine */
  add(putAt: number): void {
    this.done += 1
    this.#latencies.add(Date.now() - putAt)
  }

  read(): Pick<RunnerReading, 'done' | 'latencies'> {
    return { done: this.done, latencies: this.#latencies.read() }
  }
}
