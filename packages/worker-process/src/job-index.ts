import type { JobPlace, Layout } from './layout.js'
import { readJobFile } from './job-file.js'
import { hasRecord, removeIfThere, writeOnce } from './record.js'

/**
 * Puts an accepted job into `active`, or finds it there. Nothing of a job is started, stopped or ended before: a poll reads `active`
 * alone, and whoever is killed after it leaves a job that every poll sees.
 */
export async function enterIndex(place: JobPlace): Promise<void> {
  await writeOnce(place.active, `../jobs/${place.key.slice(0, 2)}/${place.key}`)
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
      await enterIndex(place)
      restored.push(key)
    }
  }
  return restored
}
