import type { ItemHead, JobRef, JobReport } from '@sluice/core'
import type { Engine } from './engine.js'
import { forgetJobs, movedOn } from './settle.js'
import type { Tally } from './tick-result.js'

/** What was read of queue and worker, the queue first. */
export interface Found {
  readonly items: ReadonlyMap<string, ItemHead>
  readonly reports: ReadonlyMap<string, JobReport>
}

/** Whether a report speaks of this item's current attempt. */
export function isReportOf(item: ItemHead, report: JobReport): boolean {
  return report.uid === item.uid && report.attempt === item.attempt
}

/**
 * Jobs without an item in PROCESSING. One that has ended is forgotten, if its item has moved on: a crash came between the settle and
 * the forgetting. One that runs is told of once, counted, and left alone: nobody's work is killed silently.
 */
export async function reconcileOrphans(engine: Engine, tally: Tally, found: Found): Promise<void> {
  const strangers = [...found.reports].filter(([id, report]) => {
    const item = found.items.get(id)
    return item === undefined || !isReportOf(item, report)
  })
  const running = strangers.filter(([, report]) => report.stage === 'PROCESSING').map(jobOf)
  const ended = strangers.filter(([, report]) => report.stage !== 'PROCESSING').map(jobOf)
  tally.orphans = running.length
  await tellNew(engine, running)
  if (engine.worker.forgetJobs !== undefined) await forgetJobs(engine, await movedOn(engine, ended))
}

function jobOf([id, { uid, attempt }]: readonly [string, JobReport]): JobRef {
  return { id, uid, attempt }
}

async function tellNew(engine: Engine, running: readonly JobRef[]): Promise<void> {
  const known = new Set(engine.told.orphans)
  engine.told.orphans.clear()
  const fresh = running.filter((job) => !known.has(nameOf(job)))
  for (const job of running) if (known.has(nameOf(job))) engine.told.orphans.add(nameOf(job))
  // Looked up afresh: the item may have been claimed after the list was read, by an engine whose lease has run out since.
  for (const job of await movedOn(engine, fresh)) {
    engine.told.orphans.add(nameOf(job))
    engine.logger.warn(job, 'a job runs whose item does not wait for it; it is left alone and takes a place')
    engine.emit({ kind: 'orphan', job })
  }
}

function nameOf({ uid, attempt }: JobRef): string {
  return `${attempt} ${uid}`
}
