import type { JobRef, JobReport } from '@sluice/core'
import { isCancelled } from './cancelled-job.js'
import type { Engine } from './engine.js'
import { isReportOf, type Found } from './found.js'
import { forEachParallel } from './parallel.js'
import { nameOf } from './running-jobs.js'
import { forgetJobs, isAwaiting, movedOn } from './settle.js'

/**
 * Jobs without an item in PROCESSING. One that has ended is forgotten, if its item has moved on: a crash came between the settle and
 * the forgetting. One that runs is told of once, counted, and left alone: nobody's work is killed silently.
 */
export async function reconcileOrphans(engine: Engine, found: Found): Promise<void> {
  const strangers = strangersOf(found)
  const ended = strangers.filter(([, report]) => report.stage !== 'PROCESSING').map(jobOf)
  const running = strangers.filter(([, report]) => report.stage === 'PROCESSING').map(jobOf)
  await tellNew(engine, running, engine.running.orphans(found.items))
  if (engine.worker.forgetJobs !== undefined) await forgetJobs(engine, await movedOn(engine, ended))
}

type Stranger = readonly [id: string, report: JobReport]

function strangersOf({ items, reports }: Found): Stranger[] {
  return [...reports].filter(([id, report]) => {
    const item = items.get(id)
    return item === undefined || !isReportOf(item, report)
  })
}

function jobOf([id, { uid, attempt }]: Stranger): JobRef {
  return { id, uid, attempt }
}

/** Of those that a poll reports. What was told of stays so while the job counts as running, though a poll may lack it. */
async function tellNew(
  { told, ...engine }: Engine,
  running: readonly JobRef[],
  known: readonly JobRef[],
): Promise<void> {
  const fresh = running.filter((job) => !told.orphans.has(nameOf(job)))
  const names = new Set(known.map(nameOf))
  for (const name of told.orphans) if (!names.has(name)) told.orphans.delete(name)
  await forEachParallel(fresh, engine.sendConcurrency, async (job) => {
    // Looked up afresh: the item may have been claimed after the list was read, by an engine whose lease has run out since.
    const item = await engine.queue.lookup(job.id)
    if (isAwaiting(item, job)) return
    told.orphans.add(nameOf(job))
    if (item !== undefined && isCancelled(item, job)) {
      engine.logger.debug(job, 'the job of a cancelled item has not ended yet; it takes a place until then')
      return
    }
    engine.logger.warn(job, 'a job runs whose item does not wait for it; it is left alone and takes a place')
    engine.emit({ kind: 'orphan', job })
  })
}
