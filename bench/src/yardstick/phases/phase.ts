import type { OwnPostgresServer } from '../../../../packages/queue-sql/test/postgres-server.ts'
import type { YardMeasurement } from '../yard-result.ts'

/** One build of a run. */
export interface Side {
  /** `new`, `base`, or `base again`: the same build twice, whose ratio is what noise alone gives. */
  readonly name: string
  readonly build: string
}

/** What a phase works with. */
export interface PhaseRun {
  readonly sides: readonly Side[]
  readonly pairs: number
  /** How long the phase itself is measured. */
  readonly seconds: number
  /** How long clean is measured before and after. */
  readonly cleanSeconds: number
  readonly warmUpSeconds: number
  readonly isSmoke: boolean
  /** Items that wait or run, on PostgreSQL: many times what one tick claims. */
  readonly depth: number
  /** A server for all phases but those that harm it. Absent: each has its own. */
  readonly shared?: OwnPostgresServer | undefined
  readonly cap: number
  /** Of `clean`: the concurrencies. */
  readonly caps: readonly number[]
  readonly note: (measurement: YardMeasurement) => void
  /** Says what could not be measured here. */
  readonly skip: (words: string) => void
}

export interface Phase {
  readonly name: string
  readonly title: string
  run(run: PhaseRun): Promise<void>
}

/** Each side in each pair, in another order in each pair. */
export function* turns({ sides, pairs }: PhaseRun): Generator<Side & { readonly pair: number }> {
  for (let pair = 0; pair < pairs; pair++)
    for (let turn = 0; turn < sides.length; turn++) {
      const side = sides[(pair + turn) % sides.length]
      if (side !== undefined) yield { ...side, pair }
    }
}
