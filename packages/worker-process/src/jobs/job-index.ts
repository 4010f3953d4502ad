import type { JobPlace, Layout } from '../disk/layout.js'
import { indexText } from '../supervisor/job-acceptance.js'
import { readJobFile } from './job-file.js'
import { isNoRoom } from '../process-errors.js'
import { hasRecord, removeIfThere, writeOnce } from '../disk/record.js'

/**
 * Puts an accepted job into `active`, or finds it there. Nothing of a job is started, stopped or ended
 * before: a poll reads `active` alone, and a process that is killed after it leaves a job that every poll
 * finds.
 */
export async function enterIndex(place: JobPlace): Promise<void> {
  await writeOnce(place.active, indexText(place))
}

/**
 * Takes a job out of the index that {@link isArchived}, and no other. The entry in `active` goes first: the
 * rest can be swept.
 */
export async function leaveIndex(place: JobPlace): Promise<void> {
  await removeIfThere(place.active)
  await removeIfThere(place.stopping)
  await removeIfThere(place.ended)
}

/**
 * Whether some process has begun to archive the job: then its outcome is stored in the queue, and stands
 * beside its outputs or in their place. Only that makes the index superfluous; and no such job is ever
 * started.
 */
export async function isArchived(place: JobPlace): Promise<boolean> {
  return (await hasRecord(place.exit)) || (await hasRecord(place.gone))
}

/**
 * Takes a job out of the index if it is archived, where a process that was late has put it back.
 *
 * @returns whether it is archived
 */
export async function leaveIfArchived(place: JobPlace): Promise<boolean> {
  const archived = await isArchived(place)
  if (archived) await leaveIndex(place)
  return archived
}

/**
 * Tidies what is in `ended` or `stopping` and not in `active`. Of an archived job it is what a killed
 * process, or a late signal, has left, and is removed. Of any other it is all that is known of how it ended:
 * that job is put back into `active`.
 *
 * @returns the keys of those that were put back
 */
export async function tidyIndex(layout: Layout, keys: readonly string[]): Promise<string[]> {
  const restored: string[] = []
  for (const key of keys) {
    const place = layout.placeOf(key)
    // The job's own files are read after it was missed in `active`: a process that archives a job writes
    // there before it takes it out.
    const file = (await isArchived(place)) ? undefined : await readJobFile(place)
    if (file === undefined) await leaveIndex(place)
    else if (file !== 'damaged') {
      await enterIndex(place).catch(withoutRoom)
      restored.push(key)
    }
  }
  return restored
}

/** What is missing from the index for want of room is reported by this poll, and put back by a later one. */
function withoutRoom(error: unknown): void {
  if (!isNoRoom(error)) throw error
}
