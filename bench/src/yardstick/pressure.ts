import pg from 'pg'
import type { Phase, PhaseRun, Side } from './phase.ts'
import { Yard } from './yard.ts'

/** Applies pressure; gives back what ends it. */
type Press = (yard: Yard, cleanPerSecond: number) => Promise<() => Promise<void>>

/** A writer to a table of its own, idle in its transaction: nothing that ends meanwhile can be vacuumed. */
const idle: Press = async ({ url }) => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('create table if not exists of_another (n int)')
  await client.query('begin')
  await client.query('insert into of_another values (1)')
  return async () => {
    await client.query('commit')
    await client.end()
  }
}

export const pressureIdle = phaseOf('pressure.idle', 'A writer idle in its transaction', idle)

function phaseOf(name: string, title: string, press: Press): Phase {
  return {
    name,
    title,
    run: async (run) => {
      for (const side of run.sides) await under(run, side, press)
    },
  }
}

async function under(run: PhaseRun, { name: side, build }: Side, press: Press): Promise<void> {
  const { pair, note } = run
  const yard = await Yard.open({ build, cap: run.cap })
  await yard.warmUp(run.warmUpSeconds)
  const before = await yard.window(run.cleanSeconds)
  note({ cell: 'clean before', side, pair, figures: before })
  const leave = await press(yard, before.perSecond)
  note({ cell: 'pressure', side, pair, figures: await yard.window(run.seconds) })
  await leave()
  await yard.recover()
  note({ cell: 'clean after', side, pair, figures: await yard.window(run.cleanSeconds) })
  await yard.close()
}
