import { turns, type Phase } from './phase.ts'
import { Yard } from '../yard.ts'

const TENTHS = 10
const SMOKE_TENTHS = 2

/** One long run, measured in tenths. */
export const soak: Phase = {
  name: 'soak',
  title: 'one long run: its last tenth beside its first',
  run: async (run) => {
    for (const { name: side, build, pair } of turns(run)) {
      const yard = await Yard.open({ build, cap: run.cap, depth: run.depth, shared: run.shared })
      await yard.warmUp(run.warmUpSeconds)
      const last = run.isSmoke ? SMOKE_TENTHS : TENTHS
      for (let tenth = 1; tenth <= last; tenth++)
        run.note({ cell: `tenth ${tenth}`, side, pair, figures: await yard.window(run.seconds / TENTHS) })
      await yard.close()
    }
  },
}
