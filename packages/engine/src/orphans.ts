import type { ItemHead, JobRef, JobReport } from '@sluice/core'
import type { Engine } from './engine.js'
import { forgetJobs, movedOn } from './settle.js'

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
export async function reconcileOrphans(engine: Engine, found: Found): Promise<void> {
  const strangers = strangersOf(found)
  const ended = strangers.filter(([, report]) => report.stage !== 'PROCESSING').map(jobOf)
  await tellNew(engine, strangers.filter(isRunning).map(jobOf))
  if (engine.worker.forgetJobs !== undefined) await forgetJobs(engine, await movedOn(engine, ended))
}

/** How many jobs run without an item in PROCESSING. */
export function countOrphans(found: Found): number {
  return strangersOf(found).filter(isRunning).length
}

type Stranger = readonly [id: string, report: JobReport]

function strangersOf({ items, reports }: Found): Stranger[] {
  return [...reports].filter(([id, report]) => {
    const item = items.get(id)
    return item === undefined || !isReportOf(item, report)
  })
}

function isRunning([, report]: Stranger): boolean {
  return report.stage === 'PROCESSING'
}

function jobOf([id, { uid, attempt }]: Stranger): JobRef {
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
