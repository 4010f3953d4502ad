import { mkdir, open, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import * as z from 'zod/mini'
import type { JobPlace, Layout } from '../disk/layout.js'
import { makeFolder } from '../disk/make-folder.js'
import { isSystemError } from '../process-errors.js'
import { absentAsUndefined, hasRecord } from '../disk/record.js'

const jobFileSchema = z.object({
  id: z.string(),
  uid: z.string(),
  attempt: z.number(),
  queue: z.string(),
  args: z.array(z.string()),
  bootId: z.string(),
  acceptedAt: z.number(),
  /**
   * Tells a job from one of the same name whose files were deleted. Absent in the files of earlier versions.
   */
  jobUid: z.optional(z.string()),
  /**
   * From SIGTERM to SIGKILL by its own supervisor. Absent in the files of earlier versions, whose supervisors
   * end a job at its timeout alone.
   */
  killAfterMs: z.optional(z.number()),
})

/** What is written of a job before it starts. */
export type JobFile = z.output<typeof jobFileSchema>

/** A job to be accepted, and what is to be on its stdin. */
export interface NewJob {
  readonly file: JobFile
  readonly stdin: string | undefined
}

/** A job that is put on the disk, for good if `fsync` says so. */
export type WrittenJob = NewJob & { readonly fsync: boolean }

/**
 * The job's file; `undefined` when there is no such job; `'damaged'` when a power cut left it half written,
 * with `fsync` turned off: whether it ran is then unknown.
 */
export async function readJobFile(place: JobPlace): Promise<JobFile | 'damaged' | undefined> {
  const text = await absentAsUndefined(() => readFile(place.jobFile, 'utf8'))
  if (text === undefined) return undefined
  try {
    return jobFileSchema.parse(JSON.parse(text))
  } catch {
    // The caller says so.
    return 'damaged'
  }
}

/**
 * Puts a job on the disk, all or nothing: it is prepared aside and then renamed to its place, which fails
 * when there is one. Killed before the rename, nothing was accepted; after it, the job is accepted.
 *
 * @returns `false` when it was accepted before, or is archived
 */
export async function acceptJob(layout: Layout, place: JobPlace, job: WrittenJob): Promise<boolean> {
  const prepared = await prepareJob(layout, place, job)
  let isAccepted = false
  try {
    const won = await moveUnlessThere(prepared, place.home)
    // Another process may have archived the job, and removed its home: then it ran, and must not run again.
    const gone = won && (await hasRecord(place.gone))
    // A process that found it in the meantime may have moved it away.
    if (gone) await absentAsUndefined(() => rename(place.home, prepared))
    isAccepted = won && !gone
  } finally {
    if (!isAccepted) await rm(prepared, { recursive: true, force: true })
  }
  if (isAccepted && job.fsync) await syncFolder(dirname(place.home))
  return isAccepted
}

/**
 * Makes the files of a job aside, those of its outputs and of its index entry too, so that want of room shows
 * before the job is accepted, and not when its command begins.
 *
 * @returns the folder; where it can't be made whole, nothing of it is left
 */
export async function prepareJob(layout: Layout, place: JobPlace, job: WrittenJob): Promise<string> {
  const prepared = layout.aside(place.key)
  try {
    await mkdir(prepared, { mode: 0o700 })
    await mkdir(join(prepared, 'output'), { mode: 0o700 })
    await writeFiles(prepared, job)
    await symlink(indexText(place), join(prepared, basename(place.entry)))
    return prepared
  } catch (error) {
    await rm(prepared, { recursive: true, force: true })
    throw error
  }
}

/** The text of a job's entry in the index. */
export function indexText({ key }: JobPlace): string {
  return `../jobs/${key.slice(0, 2)}/${key}`
}

async function writeFiles(folder: string, job: WrittenJob): Promise<void> {
  const asNew = { flag: 'wx', mode: 0o600 }
  await writeFile(join(folder, 'job.json'), JSON.stringify(job.file), { ...asNew, flush: job.fsync })
  if (job.stdin !== undefined) await writeFile(join(folder, 'stdin'), job.stdin, asNew)
  for (const output of ['stdout', 'stderr']) await writeFile(join(folder, output), '', asNew)
}

async function moveUnlessThere(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to).catch(async (error: unknown) => {
      if (!isSystemError(error, 'ENOENT')) throw error
      // It is the first of its shard.
      await makeFolder(dirname(to))
      await rename(from, to)
    })
    return true
  } catch (error) {
    if (isSystemError(error, 'EEXIST', 'ENOTEMPTY')) return false
    throw error
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
