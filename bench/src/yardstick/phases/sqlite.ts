import { execFileSync } from 'node:child_process'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { removeFolder, temporaryFolder } from '../../temporary.ts'
import { killOften } from './chaos.ts'
import { LocalPlace, measureHarm, paused, type Harm } from './harm.ts'
import { turns, type Phase, type PhaseRun } from './phase.ts'
import { sluiceCrew } from '../programs.ts'

/** Items that wait: a few of what one tick claims. */
const DEPTH = 2_000
/** The lock is held for so long, and then free for as long. */
const HOLD_MS = 5_000
/** Of the disk that becomes full. */
const DISK_MB = 2_048
const MAX_CLEAN_SECONDS = 30

/** Makes the harm for the folder that the database is in. */
type HarmOf = (folder: string) => Harm<LocalPlace>

export const sqlite: readonly Phase[] = [
  phaseOf('sqlite.kill', 'one of two services in turn is killed every 10 seconds', () => killOften),
  {
    name: 'sqlite.full-disk',
    title: 'the disk is full',
    run: async (run) => {
      const shorter = { ...run, cleanSeconds: Math.min(run.cleanSeconds, MAX_CLEAN_SECONDS) }
      if (canMount()) await onSmallDisk(shorter)
      else run.skip('sqlite.full-disk: only root can mount a small disk')
    },
  },
  phaseOf('sqlite.lock', 'another program holds the lock, 5 of each 10 seconds', holdLock),
]

function phaseOf(name: string, title: string, harmOf: HarmOf): Phase {
  return {
    name,
    title,
    run: async (run) => {
      for (const turn of turns(run)) {
        const folder = temporaryFolder('yard-sqlite')
        const place = await placeIn(folder, run, turn.build)
        await measureHarm(run, turn, { place, harm: harmOf(folder) })
        removeFolder(folder)
      }
    },
  }
}

function placeIn(folder: string, run: PhaseRun, build: string): Promise<LocalPlace> {
  const url = `sqlite:${join(folder, 'queue.db')}`
  const crew = sluiceCrew({
    queue: { build, package: 'queue-sql', options: { name: 'yard', url } },
    cap: run.cap,
    services: 2,
    isCounted: true,
    leaseTtlMs: run.isSmoke ? 1_000 : undefined,
  })
  return LocalPlace.open(crew, Math.min(run.depth, DEPTH), () => undefined)
}

function holdLock(folder: string): Harm<LocalPlace> {
  return async (_place, signal) => {
    const database = new DatabaseSync(join(folder, 'queue.db'), { timeout: 60_000 })
    while (!signal.aborted) {
      database.exec('begin immediate')
      await paused(HOLD_MS, signal)
      database.exec('rollback')
      await paused(HOLD_MS, signal)
    }
    database.close()
  }
}

async function onSmallDisk(run: PhaseRun): Promise<void> {
  for (const turn of turns(run)) {
    const folder = temporaryFolder('yard-disk')
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'tmpfs', folder])
    try {
      const place = await placeIn(folder, run, turn.build)
      await measureHarm(run, turn, { place, harm: fillDisk(folder) })
    } finally {
      execFileSync('umount', ['--lazy', folder])
      removeFolder(folder)
    }
  }
}

/** All that is free is taken, and given back at the end. */
function fillDisk(folder: string): Harm<LocalPlace> {
  return async (_place, signal) => {
    const path = join(folder, 'filler')
    const file = openSync(path, 'w')
    while (!signal.aborted) {
      try {
        writeSync(file, Buffer.alloc(1_000_000))
      } catch {
        // It is full; what the database gives back is taken too.
        await paused(100, signal)
      }
    }
    closeSync(file)
    rmSync(path)
  }
}

function canMount(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0
}
