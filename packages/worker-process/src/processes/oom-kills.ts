import { readFile } from 'node:fs/promises'
import type { Runtime } from '@sluice/core'
import { absentAsUndefined } from '../disk/record.js'

/** How long after a kill of the kernel was noticed a death by SIGKILL may be attributed to it, in ms. */
const EXPLAINS_MS = 10_000

/**
 * How many processes around this one the kernel has ended because memory ran out; `undefined` where it
 * doesn't say.
 */
export type CountOomKills = () => Promise<number | undefined>

/**
 * What is known of out-of-memory kills. An exit by SIGKILL alone doesn't say who sent it; the kernel counts
 * its own for each control group, and jobs are in that of the service that started them. So a job counts as
 * killed by the kernel only if it died when the counter rose, and no more jobs died so than were counted.
 */
export class OomKills {
  readonly #count: CountOomKills
  readonly #runtime: Pick<Runtime, 'monotonicMs'>
  #last: number | undefined
  #noticed: { readonly atMonotonic: number; left: number }[] = []

  private constructor(count: CountOomKills, runtime: Pick<Runtime, 'monotonicMs'>) {
    this.#count = count
    this.#runtime = runtime
  }

  /** Counts from now on: what was before explains nothing. */
  static async open({
    runtime,
    count = countOomKills,
  }: {
    readonly runtime: Pick<Runtime, 'monotonicMs'>
    readonly count?: CountOomKills
  }): Promise<OomKills> {
    const kills = new OomKills(count, runtime)
    await kills.read()
    return kills
  }

  /** Reads the counter. A kill is as old as the read that finds it, so that this is to be called often. */
  async read(): Promise<void> {
    const now = await this.#count()
    const more = now === undefined || this.#last === undefined ? 0 : now - this.#last
    this.#last = now
    const atMonotonic = this.#runtime.monotonicMs()
    this.#noticed = this.#noticed.filter(
      (kill) => kill.left > 0 && atMonotonic - kill.atMonotonic < EXPLAINS_MS,
    )
    if (more > 0) this.#noticed.push({ atMonotonic, left: more })
  }

  /**
   * Whether this many deaths are explained by kills to which no other death was attributed; these are then
   * used up.
   */
  explain(deaths: number): boolean {
    const left = this.#noticed.reduce((sum, kill) => sum + kill.left, 0)
    if (deaths > left) return false
    let rest = deaths
    for (const kill of this.#noticed) {
      const taken = Math.min(rest, kill.left)
      kill.left -= taken
      rest -= taken
    }
    return true
  }
}

/**
 * @see https://docs.kernel.org/admin-guide/cgroup-v2.html: `oom_kill` in `memory.events`; version 1 has it in
 * `memory.oom_control`
 */
export const countOomKills: CountOomKills = async () => {
  const groups = await absentAsUndefined(() => readFile('/proc/self/cgroup', 'utf8'))
  for (const file of counterFiles(groups ?? '')) {
    const text = await absentAsUndefined(() => readFile(file, 'utf8'))
    const found = /^oom_kill (\d+)$/mu.exec(text ?? '')
    if (found !== null) return Number(found[1])
  }
  return undefined
}

/** In a container the group's own path may not be visible, and its files are at the top. */
export function counterFiles(groups: string): string[] {
  return groups.split('\n').flatMap((line) => {
    const [, controllers, ...path] = line.split(':')
    const group = path.join(':').replace(/\/$/u, '')
    if (controllers === '') return [`/sys/fs/cgroup${group}/memory.events`, '/sys/fs/cgroup/memory.events']
    if (controllers?.split(',').includes('memory') !== true) return []
    return [`/sys/fs/cgroup/memory${group}/memory.oom_control`, '/sys/fs/cgroup/memory/memory.oom_control']
  })
}
