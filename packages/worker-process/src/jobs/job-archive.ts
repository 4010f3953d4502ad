import { existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs'
import { lstat, readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { hadWrittenNothing, isSuccess, parseEnding } from './ending.js'
import type { JobPlace, Layout } from '../disk/layout.js'
import type { ProcessWorkerSettings } from '../options.js'
import { isSystemError } from '../process-errors.js'
import {
  absentAsUndefined,
  absentAsUndefinedSync,
  hasRecordSync,
  linkOnceSync,
  readRecordSync,
  removeIfThereSync,
  writeOnceSync,
} from '../disk/record.js'

/** Leftovers of a killed process are swept once no process can still be at work on them, in ms. */
const SWEEP_AFTER_MS = 3_600_000

/**
 * Takes a job that has ended out of the index, so that polls no longer read it [W-POLL-1], and keeps or
 * removes its files. That it was here stays known: sent again, it does not run again [W-SEND-1].
 *
 * Killed before the index entry is gone, the job is reported and acknowledged again; after it, what is left
 * over is swept by a later poll or at the next start. A job that has not ended is left alone.
 */
export function archiveJob(
  layout: Layout,
  place: JobPlace,
  keep: ProcessWorkerSettings['keepOutputs'],
): void {
  const gone = readRecordSync(place.gone)
  if (gone !== undefined) return removeHome(layout, place, gone.text)
  const ending = readRecordSync(place.exit) ?? readRecordSync(place.ended)
  if (ending === undefined) return undefined
  const success = isSuccess(parseEnding(ending.text))
  if (keep === 'none' || (keep === 'failed' && success))
    return removeHome(layout, place, success ? 'SUCCESS' : 'FAIL')
  // The body is in the queue. It goes first: on a full disk it makes room for the records.
  removeIfThereSync(place.stdin)
  const isEmpty = removeEmpty(place)
  if (isEmpty && success) return removeHome(layout, place, ending.text)
  return keepHome(place, ending.text)
}

/**
 * Removes what the command has not written.
 *
 * @returns whether that is all of its outputs
 */
function removeEmpty({ stdout, stderr, output }: JobPlace): boolean {
  for (const path of [stdout, stderr]) {
    if (lstatSync(path, { throwIfNoEntry: false })?.size === 0) removeIfThereSync(path)
  }
  try {
    absentAsUndefinedSync(() => rmdirSync(output))
  } catch (error) {
    // Something is in it; or the command has put something else there.
    if (!isSystemError(error, 'ENOTEMPTY', 'EEXIST', 'EACCES', 'EPERM', 'EBUSY')) throw error
  }
  return ![stdout, stderr, output].some((path) => existsSync(path))
}

function keepHome(place: JobPlace, ending: string): void {
  const stop = readRecordSync(place.stopping)
  if (stop !== undefined) writeOnceSync(place.stop, stop.text)
  writeOnceSync(place.exit, ending)
  for (const name of readdirSync(place.home).filter((each) => each.startsWith(basename(place.group))))
    removeIfThereSync(join(place.home, name))
  leaveIndexSync(place)
}

function removeHome(layout: Layout, place: JobPlace, stage: string): void {
  // What the queue has, and what is not kept. It goes first: on a full disk it makes room for the record.
  for (const path of [place.stdin, place.stdout, place.stderr]) removeIfThereSync(path)
  writeGone(place, stage)
  const aside = layout.aside(place.key)
  absentAsUndefinedSync(() => renameSync(place.home, aside))
  leaveIndexSync(place)
  rmSync(aside, { recursive: true, force: true })
}

function writeGone(place: JobPlace, text: string): void {
  try {
    recordGone(place, text)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
    // It is the first of its shard.
    mkdirSync(dirname(place.gone), { recursive: true, mode: 0o700 })
    recordGone(place, text)
  }
}

/** A second link to the record of the end takes no inode; not every system links a link. */
function recordGone({ ended, gone }: JobPlace, text: string): void {
  try {
    if (!hadWrittenNothing({ text }) || !hasRecordSync(ended)) writeOnceSync(gone, text)
    else linkOnceSync(ended, gone)
  } catch (error) {
    if (isSystemError(error, 'ENOENT') && !existsSync(dirname(gone))) throw error
    writeOnceSync(gone, text)
  }
}

/** The entry in `active` goes first: the rest can be swept. */
function leaveIndexSync({ active, stopping, ended }: JobPlace): void {
  for (const path of [active, stopping, ended]) removeIfThereSync(path)
}

/** Removes what processes that were killed had begun to prepare or to remove. */
export async function sweepPreparing(layout: Layout, nowAt: number): Promise<void> {
  for (const name of await readdir(layout.preparing)) {
    const path = `${layout.preparing}/${name}`
    const found = await absentAsUndefined(() => lstat(path))
    if (found !== undefined && found.ctimeMs < nowAt - SWEEP_AFTER_MS) {
      await rm(path, { recursive: true, force: true })
    }
  }
}
