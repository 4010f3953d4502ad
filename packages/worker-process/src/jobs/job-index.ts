import { rename } from 'node:fs/promises'
import type { JobPlace, Layout } from '../disk/layout.js'
import { indexText, readJobFile } from './job-file.js'
import { isNoRoom } from '../process-errors.js'
import { absentAsUndefined, hasRecord, removeIfThere, writeOnce } from '../disk/record.js'

/**
 * Puts an accepted job into `active`, or finds it there. Nothing of a job is started, stopped or ended before: a poll reads `active`
 * alone, and whoever is killed after it leaves a job that every poll sees.
 */
export async function enterIndex(place: JobPlace): Promise<void> {
  await writeOnce(place.active, indexText(place))
}

/**
 * The same for a job that was accepted just now, by the entry that was made with it: that takes no room.
 *
 * @returns `false` where the folder can't hold one more all the same: the job is accepted, and whoever looks it up goes on with it
 */
export async function enterNew(place: JobPlace): Promise<boolean> {
  const moved = async (): Promise<true> => {
    await rename(place.entry, place.active)
    return true
  }
  try {
    // Whoever found the job in the meantime may have forgotten it, home and all.
    if ((await absentAsUndefined(moved)) !== true) await enterIndex(place)
    return true
  } catch (error) {
    if (isNoRoom(error)) return false
    throw error
  }
}

/** Takes out of the index a job that {@link wasForgotten}, and no other. The entry in `active` first: the rest can be swept. */
export async function leaveIndex(place: JobPlace): Promise<void> {
  await removeIfThere(place.active)
  await removeIfThere(place.stopping)
  await removeIfThere(place.ended)
}

/**
 * Whether somebody has begun to forget the job: then its outcome is stored in the queue, and stands beside its outputs or in their
 * place. Only that makes the index superfluous; and no such job is ever started.
 */
export async function wasForgotten(place: JobPlace): Promise<boolean> {
  return (await hasRecord(place.exit)) || (await hasRecord(place.gone))
}

/**
 * Looks after what is in `ended` or `stopping` and not in `active`. Of a job that was forgotten it is what a killed process, or a
 * late blow, has left, and is removed. Of any other it is all that is known of how it ended: that job is put back into `active`.
 *
 * @returns the keys of those that were put back
 */
export async function tidyIndex(layout: Layout, keys: readonly string[]): Promise<string[]> {
  const restored: string[] = []
  for (const key of keys) {
    const place = layout.placeOf(key)
    // The job's own files are asked after it was missed in `active`: who forgets a job writes there before it takes it out.
    const file = (await wasForgotten(place)) ? undefined : await readJobFile(place)
    if (file === undefined) await leaveIndex(place)
    else if (file !== 'damaged') {
      await enterIndex(place).catch(withoutRoom)
      restored.push(key)
    }
  }
  return restored
}

/** What is missing from the index for want of room is seen by this poll, and put back by a later one. */
function withoutRoom(error: unknown): void {
  if (!isNoRoom(error)) throw error
}
