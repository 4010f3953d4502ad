import { lstat, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isSuccess, parseEnding } from './ending.js'
import { leaveIndex } from './job-index.js'
import type { JobPlace, Layout } from '../disk/layout.js'
import { makeFolder } from '../disk/make-folder.js'
import type { ProcessWorkerSettings } from '../options.js'
import { absentAsUndefined, readRecord, removeIfThere, writeOnce } from '../disk/record.js'

/** Leftovers of a killed process are swept once no process can still be at work on them, in ms. */
const SWEEP_AFTER_MS = 3_600_000

/**
 * Takes a job that has ended out of the index, so that polls no longer read it [W-POLL-1], and keeps or
 * removes its files. That it was here stays known: sent again, it does not run again [W-SEND-1].
 *
 * Killed before the index entry is gone, the job is reported and acknowledged again; after it, what is left
 * over is swept by a later poll or at the next start. A job that has not ended is left alone.
 */
export async function archiveJob(
  layout: Layout,
  place: JobPlace,
  keep: ProcessWorkerSettings['keepOutputs'],
): Promise<void> {
  const gone = await readRecord(place.gone)
  if (gone !== undefined) return removeHome(layout, place, gone.text)
  const ending = (await readRecord(place.exit)) ?? (await readRecord(place.ended))
  if (ending === undefined) return
  const success = isSuccess(parseEnding(ending.text))
  if (keep === 'all' || (keep === 'failed' && !success)) await keepHome(place, ending.text)
  else await removeHome(layout, place, success ? 'SUCCESS' : 'FAIL')
}

async function keepHome(place: JobPlace, ending: string): Promise<void> {
  // The body is in the queue. It goes first: on a full disk it makes room for the records.
  await removeIfThere(place.stdin)
  const stop = await readRecord(place.stopping)
  if (stop !== undefined) await writeOnce(place.stop, stop.text)
  await writeOnce(place.exit, ending)
  await leaveIndex(place)
}

async function removeHome(layout: Layout, place: JobPlace, stage: string): Promise<void> {
  // What the queue has, and what is not kept. It goes first: on a full disk it makes room for the record.
  for (const path of [place.stdin, place.stdout, place.stderr]) await removeIfThere(path)
  await makeFolder(dirname(place.gone))
  await writeOnce(place.gone, stage)
  const aside = layout.aside(place.key)
  await absentAsUndefined(() => rename(place.home, aside))
  await leaveIndex(place)
  await rm(aside, { recursive: true, force: true })
}

/** Removes what processes that were killed had begun to prepare or to remove. */
export async function sweepPreparing(layout: Layout, nowAt: number): Promise<void> {
  for (const name of await readdir(layout.preparing)) {
    const path = join(layout.preparing, name)
    const found = await absentAsUndefined(() => lstat(path))
    if (found !== undefined && found.ctimeMs < nowAt - SWEEP_AFTER_MS) {
      await rm(path, { recursive: true, force: true })
    }
  }
}
