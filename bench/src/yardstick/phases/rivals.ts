import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { CrewOptions } from '../crew.ts'
import type { Program } from '../processes/helper.ts'
import type { Phase, PhaseRun } from './phase.ts'
import { holdTransaction } from './pressure.ts'
import { JOB_MS, programOf } from '../programs.ts'
import type { RivalSetup } from '../processes/rival-process.ts'
import { Yard } from '../yard.ts'

type Rival = RivalSetup['rival'] | 'Awa'

/** Python with `awa-pg`; a virtual environment's is named by `SLUICE_BENCH_PYTHON`. */
const PYTHON = process.env['SLUICE_BENCH_PYTHON'] ?? 'python3'

/** Others beside us: each once in clean, and once with a transaction held. */
export const rivals: Phase = {
  name: 'rivals',
  title: 'pg-boss, graphile-worker and Awa beside us, clean and with a transaction held',
  run: async (run) => {
    const names: Rival[] = ['pg-boss', 'graphile-worker']
    if (spawnSync(PYTHON, ['-c', 'import awa']).status === 0) names.push('Awa')
    else run.skip('Awa: `pip install awa-pg`, and name its Python in SLUICE_BENCH_PYTHON')
    for (let pair = 0; pair < run.pairs; pair++) {
      for (const { name, build } of run.sides)
        await measure(
          run,
          pair,
          name,
          await Yard.open({ build, cap: run.cap, depth: run.depth, shared: run.shared }),
        )
      for (const name of names)
        await measure(run, pair, name, await Yard.with(run, (url) => crewOf(name, url, run.cap)))
    }
  },
}

async function measure(run: PhaseRun, pair: number, side: string, yard: Yard): Promise<void> {
  await yard.warmUp(run.warmUpSeconds)
  run.note({ cell: 'clean', side, pair, figures: await yard.window(run.seconds) })
  const release = await holdTransaction(yard.url)
  run.note({ cell: 'pressure', side, pair, figures: await yard.window(run.seconds) })
  await release()
  await yard.close()
}

function crewOf(rival: Rival, url: string, cap: number): CrewOptions {
  const program = (role: RivalSetup['role']): Program => {
    const setup = { rival, role, url, cap, jobMs: JOB_MS }
    if (rival !== 'Awa') return { file: programOf('rival'), setup }
    return { command: PYTHON, file: join(import.meta.dirname, '../processes/awa-process.py'), setup }
  }
  return { feeder: program('feeder'), service: () => program('runner') }
}
