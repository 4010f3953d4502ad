import { access } from 'node:fs/promises'
import { resolve } from 'node:path'
import { isSluiceError, type Queue } from '@sluice/core'
import { DISPATCHER_LEASE } from '@sluice/engine'
import { CommandError } from '../cli/command-error.js'
import type { CommandContext } from '../cli/command.js'
import { makeFolder } from './make-folder.js'
import { loadManifest } from '../load/load-manifest.js'
import { openQueuePackage } from '../packages/open-package.js'
import { itemsText } from '../output/amounts.js'
import { chooseColumns } from '../report/report-columns.js'
import { writeFileWhole } from '../output/whole-file.js'
import { reportRows } from '../report/report-rows.js'
import { writeReport } from '../report/report-writer.js'
import { argoDemo } from './argo-demo.js'
import type { DemoFacts, DemoKind, DemoPlan } from './demo-kind.js'
import { DemoPlace } from './demo-place.js'
import { readOutcome, type DemoOutcome } from './demo-outcome.js'
import { digestDemo } from './digest-demo.js'
import { DEMO_LEASE_MS, runDemoService } from './demo-service.js'
import { demoJson, demoText, goOnText, type DemoRun } from './demo-text.js'

/** The options of `sluice demo`. */
export interface DemoFlags {
  readonly items?: number
  readonly limit?: number
  readonly dir: string
  readonly root?: string
  readonly fresh?: true
  readonly argo?: true
}

const DEMO_QUEUE = 'demo'

/**
 * Starts a demo, or continues the unfinished one, to its end. After a kill at any moment the next run
 * continues.
 *
 * @throws SluiceError of the queue, the worker or the service; CommandError INVALID for another plan than the
 * unfinished one, CONFLICT where `fresh` meets a running demo, UNEXPECTED where items failed without a
 * reason, or all failed
 */
export async function runDemo(flags: DemoFlags, context: CommandContext): Promise<void> {
  const kind = flags.argo === true ? argoDemo : digestDemo
  const place = new DemoPlace(resolve(context.cwd, flags.dir), kind)
  if (flags.fresh === true) await clear(place, context)
  const plan = await place.begin({
    items: flags.items,
    root: flags.root === undefined ? undefined : resolve(context.cwd, flags.root),
    cwd: context.cwd,
  })
  const queue = await openDemoQueue(place, context)
  try {
    await useQueue({ kind, queue, place, plan, flags, context })
  } finally {
    await queue.close()
  }
}

interface Demo {
  readonly kind: DemoKind
  readonly queue: Queue
  readonly place: DemoPlace
  readonly plan: DemoPlan
  readonly flags: DemoFlags
  readonly context: CommandContext
}

async function useQueue(demo: Demo): Promise<void> {
  const { kind, queue, place, plan, context } = demo
  const { runtime } = context
  const signal = context.interrupted()
  const { failure } = await loadManifest(place.manifest, queue, { strict: true, signal, runtime })
  if (failure !== undefined) throw failure
  const before = await queue.sizes()
  const finishedBefore = before.SUCCESS + before.FAIL
  const startedAtMonotonic = runtime.monotonicMs()
  let facts: DemoFacts | undefined
  if (before.WAITING + before.PROCESSING > 0 && !signal.aborted) {
    context.output.note(goOnText({ kind, plan, before, place }))
    facts = await serve(demo)
  }
  const elapsedMs = runtime.monotonicMs() - startedAtMonotonic
  const outcome = await readOutcome(queue, context)
  await writeDemoReport(demo)
  const { report } = place
  end({ kind, plan, outcome, facts, finishedBefore, elapsedMs, report, interrupted: signal.aborted }, context)
}

async function serve({ kind, queue, place, plan, flags, context }: Demo): Promise<DemoFacts> {
  const { cwd, output, runtime } = context
  const opened = await kind.openWorker({ name: DEMO_QUEUE, plan, place, cwd })
  try {
    const { worker } = opened
    const { limit = kind.limit } = flags
    await runDemoService({ kind, queue, worker, limit, output, runtime, signal: context.interrupted() })
    return opened.facts()
  } finally {
    await opened.close()
  }
}

async function openDemoQueue(place: DemoPlace, context: CommandContext): Promise<Queue> {
  await makeFolder(place.dir)
  const settings = { package: 'sql', name: DEMO_QUEUE, url: `sqlite:${place.queue}` }
  return openQueuePackage(settings, { baseDirs: [context.cwd] })
}

async function writeDemoReport({ kind, queue, place, context }: Demo): Promise<void> {
  const columns = chooseColumns(kind.columns)
  const { runtime } = context
  await writeFileWhole(place.report, (out) =>
    writeReport(reportRows(queue, { runtime }), out, { format: 'csv', columns }),
  )
}

function end(run: DemoRun, context: CommandContext): void {
  const { output } = context
  output.print(() => demoText(run, output), demoJson(run))
  const left = run.outcome.sizes.WAITING + run.outcome.sizes.PROCESSING
  if (run.interrupted && left > 0) context.exitWith('INTERRUPTED')
  else assertWorked(run.outcome)
}

/** A deleted file is an explained failure; where all items fail, the demo itself is broken. */
function assertWorked({ sizes, unexplained }: DemoOutcome): void {
  if (unexplained > 0) {
    throw new CommandError('UNEXPECTED', `${itemsText(unexplained)} failed without a reason`)
  }
  if (sizes.SUCCESS === 0) throw new CommandError('UNEXPECTED', 'No item succeeded')
}

/** Deletes an older demo, unless a run of it is alive. */
async function clear(place: DemoPlace, context: CommandContext): Promise<void> {
  // Without its file there is no older demo.
  const begun = await access(place.queue).then(
    () => true,
    () => false,
  )
  if (begun && !(await isAbandoned(place, context))) {
    throw new CommandError('CONFLICT', `A demo is running in ${place.dir}: stop it first`)
  }
  await place.clear()
}

/** A running demo holds the dispatcher's lease and renews it. */
async function isAbandoned(place: DemoPlace, context: CommandContext): Promise<boolean> {
  const queue = await openDemoQueue(place, context).catch((error: unknown) => {
    // A damaged queue has no running demo, and is a reason to start a new one; a busy queue may have one.
    if (isSluiceError(error, 'SLUICE_QUEUE_CORRUPT')) return undefined
    throw error
  })
  if (queue === undefined) return true
  try {
    for (let waitedMs = 0; waitedMs <= 2 * DEMO_LEASE_MS; waitedMs += 250) {
      const lease = await queue.lease(DISPATCHER_LEASE, context.runtime.newId(), DEMO_LEASE_MS)
      if (lease !== undefined) return true
      await context.runtime.sleep(250)
    }
    return false
  } finally {
    await queue.close()
  }
}
