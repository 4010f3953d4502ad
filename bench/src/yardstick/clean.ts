import type { Phase } from './phase.ts'
import { Yard } from './yard.ts'

const CAPS = [16, 64, 256, 1_024]

/** The rate by concurrency, and the latency at half of it. */
export const clean: Phase = {
  name: 'clean',
  title: 'Clean',
  run: async ({ sides, pair, seconds, warmUpSeconds, caps = CAPS, note }) => {
    for (const cap of caps) {
      for (const { name: side, build } of sides) {
        const yard = await Yard.open({ build, cap })
        await yard.warmUp(warmUpSeconds)
        const full = await yard.window(seconds)
        note({ cell: `cap ${cap}`, side, pair, figures: full })
        await yard.feed({ kind: 'rate', perSecond: full.perSecond / 2 })
        await yard.drain(full.perSecond)
        const half = await yard.window(seconds / 2)
        note({ cell: `cap ${cap}, half the rate`, side, pair, figures: half })
        await yard.close()
      }
    }
  },
}
