import type { CheckUse, Runtime, Logger } from '@sluice/core'
import { checkAccess } from './check/access-check.js'
import type { ArgoApi } from './api/argo-api.js'
import type { Deadlines } from './api/deadlines.js'
import { ItemCheck } from './sending/item-check.js'
import { JobEnder } from './jobs/job-ender.js'
import { JobKeeper } from './jobs/job-keeper.js'
import { JobLedger } from './jobs/job-ledger.js'
import { ParameterMaker } from './parameters/job-parameters.js'
import { JobPoller } from './jobs/job-poller.js'
import { JobSender } from './sending/job-sender.js'
import type { ArgoWorkerSettings } from './options.js'
import { PendingChecks } from './jobs/pending-checks.js'
import { RateGate } from './api/rate-gate.js'
import { RefusalReview } from './sending/refusal-review.js'
import { SendProbe } from './sending/send-probe.js'
import { TemplateSource } from './template/template-source.js'
import { WorkflowReader } from './workflow/workflow-reader.js'
import { WorkflowWatch } from './workflow/workflow-watch.js'

/** How many workflows are asked for by name at once. */
const LOOKUPS_AT_ONCE = 16
/** How many of these questions may be about what holds jobs up, in any second and at once. */
const NODES_PER_SECOND = 20
const NODES_AT_ONCE = 4

/** What a worker is made of. */
export interface WorkerParts {
  readonly settings: ArgoWorkerSettings
  readonly api: ArgoApi
  readonly ledger: JobLedger
  readonly keeper: JobKeeper
  readonly reader: WorkflowReader
  readonly poller: JobPoller
  readonly lookups: RateGate
  readonly template: TemplateSource
  readonly sender: JobSender
  readonly probe: SendProbe
  readonly items: ItemCheck
  readonly ender: JobEnder
  readonly watch: WorkflowWatch
  readonly logger: Logger
  readonly runtime: Runtime
  readonly ioRuntime: Runtime
  readonly deadlines: Deadlines
  readonly check: (use: CheckUse) => Promise<number>
}

/** What its parts are made of. */
export interface BaseParts {
  readonly settings: ArgoWorkerSettings
  readonly api: ArgoApi
  readonly runtime: Runtime
  /** Times requests: a network does not wait for the runtime of a test. */
  readonly ioRuntime: Runtime
  /** Those of requests and calls. */
  readonly deadlines: Deadlines
  readonly logger: Logger
  readonly closing: AbortSignal
}

function gatesOf({ settings, runtime, closing }: BaseParts): {
  readonly lookups: RateGate
  readonly pace: RateGate
} {
  const shared = { runtime, closing }
  return {
    lookups: new RateGate({ ...shared, perSecond: settings.lookupsPerSecond, atOnce: LOOKUPS_AT_ONCE }),
    pace: new RateGate({ ...shared, perSecond: NODES_PER_SECOND, atOnce: NODES_AT_ONCE }),
  }
}

export function partsOf(base: BaseParts): WorkerParts {
  const { settings, api, runtime, closing } = base
  const ledger = new JobLedger(runtime)
  const template = new TemplateSource(base)
  const parameters = new ParameterMaker(settings)
  const keeper = new JobKeeper({ ...base, ledger })
  const watch = new WorkflowWatch({ ...base, onEnd: (workflow) => ledger.hint(workflow) })
  const { lookups, pace } = gatesOf(base)
  const reader = new WorkflowReader(api, settings.namespace, (ms) => lookups.rest(ms))
  const shared = { ...base, ledger, keeper, reader, template, parameters, lookups }
  const ender = new JobEnder(shared)
  const review = new RefusalReview(shared)
  return {
    ...base,
    ledger,
    keeper,
    reader,
    watch,
    lookups,
    template,
    poller: new JobPoller({
      ...shared,
      pending: new PendingChecks({ ...shared, pace }),
      watching: () => watch.live,
      // The next poll may ask again then; the sleep ends with the worker.
      wakeIn: (ms) => void runtime.sleep(Math.max(1, ms), closing).then(() => watch.notify()),
      deletions: ender.deletions,
    }),
    sender: new JobSender({ ...shared, review }),
    probe: new SendProbe({ ...shared, review }),
    items: new ItemCheck({ ...shared, review }),
    ender,
    check: (use) => checkAccess(shared, use),
  }
}
