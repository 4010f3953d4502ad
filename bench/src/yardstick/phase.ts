import type { YardMeasurement } from './yard-result.ts'

/** One build of a run. */
export interface Side {
  readonly name: string
  readonly build: string
}

/** What a phase works with. */
export interface PhaseRun {
  /** In an order that changes with each pair. */
  readonly sides: readonly Side[]
  readonly pair: number
  /** How long the phase itself is measured. */
  readonly seconds: number
  /** How long clean is measured before and after. */
  readonly cleanSeconds: number
  readonly warmUpSeconds: number
  readonly isSmoke: boolean
  /** Given: only these are measured by `clean`. */
  readonly caps?: readonly number[] | undefined
  readonly cap: number
  readonly note: (measurement: YardMeasurement) => void
}

export interface Phase {
  readonly name: string
  readonly title: string
  run(run: PhaseRun): Promise<void>
}
