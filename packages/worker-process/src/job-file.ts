import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { JobPlace, Layout } from './layout.js'
import { isSystemError } from './process-errors.js'
import { absentAsUndefined, hasRecord } from './record.js'

const jobFileSchema = z.object({
  id: z.string(),
  uid: z.string(),
  attempt: z.number(),
  queue: z.string(),
  args: z.array(z.string()),
  bootId: z.string(),
  acceptedAt: z.number(),
})

/** What is written of a job before it starts. */
export type JobFile = z.output<typeof jobFileSchema>

/** A job to be accepted, and what is to be on its stdin. */
export interface NewJob {
  readonly file: JobFile
  readonly stdin: string | undefined
}

/**
 * The job's file; `undefined` when there is no such job; `'damaged'` when a power cut left it half written, which takes `fsync`
 * turned off: nobody can then say whether it ran.
 */
export async function readJobFile(place: JobPlace): Promise<JobFile | 'damaged' | undefined> {
  const text = await absentAsUndefined(() => readFile(place.jobFile, 'utf8'))
  if (text === undefined) return undefined
  try {
    return jobFileSchema.parse(JSON.parse(text))
  } catch {
    // The caller says so, and goes on from there.
    return 'damaged'
  }
}

/**
 * Puts a job on the disk, all or nothing: it is prepared aside and then renamed to its place, which fails when there is one.
 * Killed before the rename, nothing was accepted; after it, the job is accepted.
 *
 * @returns `false` when it was accepted before, or has been forgotten
 */
export async function acceptJob(
  layout: Layout,
  place: JobPlace,
  job: NewJob & { readonly fsync: boolean },
): Promise<boolean> {
  const prepared = join(layout.preparing, `${place.key}.${randomUUID()}`)
  await mkdir(prepared, { mode: 0o700 })
  await mkdir(join(prepared, 'output'), { mode: 0o700 })
  await writeFiles(prepared, job)
  const won = await moveUnlessThere(prepared, place.home)
  // Somebody may have forgotten the job, home and all: then it ran, and must not run again.
  const gone = won && (await hasRecord(place.gone))
  // Who found it in the meantime may have taken it away.
  if (gone) await absentAsUndefined(() => rename(place.home, prepared))
  if (!won || gone) await rm(prepared, { recursive: true, force: true })
  else if (job.fsync) await syncFolder(dirname(place.home))
  return won && !gone
}

async function writeFiles(folder: string, job: NewJob & { readonly fsync: boolean }): Promise<void> {
  const asNew = { flag: 'wx', mode: 0o600 }
  await writeFile(join(folder, 'job.json'), JSON.stringify(job.file), { ...asNew, flush: job.fsync })
  if (job.stdin !== undefined) await writeFile(join(folder, 'stdin'), job.stdin, asNew)
}

async function moveUnlessThere(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to).catch(async (error: unknown) => {
      if (!isSystemError(error, 'ENOENT')) throw error
      // The first of its shard.
      await mkdir(dirname(to), { recursive: true, mode: 0o700 })
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
