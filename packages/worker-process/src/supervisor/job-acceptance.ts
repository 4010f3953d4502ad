import { linkSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { JobPlace, Layout } from '../disk/layout.js'
import { absentAsUndefinedSync, hasRecordSync, writeOnceSync } from '../disk/record.js'
import { isNoRoom, isSystemError } from '../process-errors.js'

/** A job to be accepted, and what is to be on its stdin. */
export interface NewJob {
  /** What is written of it as JSON. */
  readonly file: unknown
  readonly stdin?: string | undefined
}

/**
 * Puts a job on the disk, all or nothing: it is prepared aside and then renamed to its place, which fails
 * when there is one. Killed before the rename, nothing was accepted; after it, the job is accepted.
 *
 * @returns `false` when it was accepted before, or is archived
 */
export function acceptJob(layout: Layout, place: JobPlace, job: NewJob): boolean {
  const prepared = prepareJob(layout, place, job)
  let isAccepted = false
  try {
    const won = moveUnlessThere(prepared, place.home)
    // Another process may have archived the job, and removed its home: then it ran, and must not run again.
    const gone = won && hasRecordSync(place.gone)
    // A process that found it in the meantime may have moved it away.
    if (gone) absentAsUndefinedSync(() => renameSync(place.home, prepared))
    isAccepted = won && !gone
  } finally {
    if (!isAccepted) rmSync(prepared, { recursive: true, force: true })
  }
  return isAccepted
}

/**
 * Takes back a job that this process accepted and claimed, and that has not begun. It goes with its claim, so
 * that no other process can claim it meanwhile.
 */
export function withdrawJob(layout: Layout, place: JobPlace): void {
  const aside = layout.aside(place.key)
  absentAsUndefinedSync(() => renameSync(place.home, aside))
  rmSync(place.active, { force: true })
  rmSync(aside, { recursive: true, force: true })
}

/**
 * Makes the files of a job aside, those of its outputs and its index entry too, so that want of room shows
 * before the job is accepted, and not when its command begins. They are few: file systems take long to make a
 * file where many were removed just before.
 *
 * @returns the folder; where it can't be made whole, nothing of it is left
 */
export function prepareJob(layout: Layout, place: JobPlace, job: NewJob): string {
  const prepared = layout.aside(place.key)
  try {
    mkdirSync(prepared, { mode: 0o700 })
    mkdirSync(join(prepared, 'output'), { mode: 0o700 })
    writeFiles(prepared, job)
    linkSync(join(prepared, basename(place.jobFile)), join(prepared, basename(place.entry)))
    return prepared
  } catch (error) {
    rmSync(prepared, { recursive: true, force: true })
    throw error
  }
}

/** The text of a job's entry in the index. */
export function indexText({ key }: Pick<JobPlace, 'key'>): string {
  return `../jobs/${key.slice(0, 2)}/${key}`
}

/**
 * Makes a job that was accepted just now visible to polls, by the entry that was made with it: that takes no
 * room.
 *
 * @returns `false` where the folder can't hold one more all the same: the job is accepted, and a look-up goes
 * on with it
 */
export function enterNewJob(place: JobPlace): boolean {
  const moved = (): true => {
    renameSync(place.entry, place.active)
    return true
  }
  try {
    // A process that found the job in the meantime may have archived it, and removed its home.
    if (absentAsUndefinedSync(moved) !== true) writeOnceSync(place.active, indexText(place))
    return true
  } catch (error) {
    if (isNoRoom(error)) return false
    throw error
  }
}

function writeFiles(folder: string, job: NewJob): void {
  const asNew = { flag: 'wx', mode: 0o600 }
  writeFileSync(join(folder, 'job.json'), JSON.stringify(job.file), asNew)
  if (job.stdin !== undefined) writeFileSync(join(folder, 'stdin'), job.stdin, asNew)
  for (const output of ['stdout', 'stderr']) writeFileSync(join(folder, output), '', asNew)
}

function moveUnlessThere(from: string, to: string): boolean {
  try {
    try {
      renameSync(from, to)
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error
      // It is the first of its shard.
      mkdirSync(dirname(to), { recursive: true, mode: 0o700 })
      renameSync(from, to)
    }
    return true
  } catch (error) {
    if (isSystemError(error, 'EEXIST', 'ENOTEMPTY')) return false
    throw error
  }
}
