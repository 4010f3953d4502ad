import { turns, type Phase, type PhaseRun } from './phase.ts'
import { Yard } from '../yard.ts'

/** The rate by concurrency, and the latency at half of it. */
export const clean: Phase = {
  name: 'clean',
  title: 'the rate by concurrency, and the latency at half of it',
  run: async (run) => {
    for (const cap of run.caps) await measure(run, cap)
  },
}

/** All sides are up at once, and measured in turns, each while the others have nothing to do. */
async function measure(run: PhaseRun, cap: number): Promise<void> {
  const yards = new Map<string, Yard>()
  for (const { name, build } of run.sides) {
    const yard = await Yard.open({ build, cap, depth: run.depth, shared: run.shared })
    yards.set(name, yard)
    await yard.warmUp(run.warmUpSeconds)
    await rest(yard)
  }
  for (const { name: side, pair } of turns(run)) {
    const yard = yards.get(side)
    if (yard === undefined) continue
    await yard.warmUp(Math.min(2, run.warmUpSeconds))
    const full = await yard.window(run.seconds)
    run.note({ cell: `cap ${cap}`, side, pair, figures: full })
    await yard.crew.feed({ kind: 'rate', perSecond: full.perSecond / 2 })
    await yard.crew.drain(run.depth / 10)
    const half = await yard.window(run.seconds / 2)
    run.note({ cell: `cap ${cap}, half the rate`, side, pair, figures: half })
    await rest(yard)
  }
  for (const yard of yards.values()) await yard.close()
}

async function rest({ crew }: Yard): Promise<void> {
  await crew.feed({ kind: 'off' })
  await crew.drain(0)
}
