import { batchCases } from './queue-cases/batch-cases.js'
import { claimCases } from './queue-cases/claim-cases.js'
import { controlCases } from './queue-cases/control-cases.js'
import { documentCases } from './queue-cases/document-cases.js'
import { documentVersionCases } from './queue-cases/document-version-cases.js'
import { endCases } from './queue-cases/end-cases.js'
import { fencedClaimCases } from './queue-cases/fenced-claim-cases.js'
import { fencedDocumentCases } from './queue-cases/fenced-document-cases.js'
import { getCases } from './queue-cases/get-cases.js'
import { compareCases } from './queue-cases/compare-cases.js'
import { doneCases } from './queue-cases/done-cases.js'
import { clockCases } from './queue-cases/clock-cases.js'
import { leaseCases } from './queue-cases/lease-cases.js'
import { linkCases } from './queue-cases/link-cases.js'
import { listCases } from './queue-cases/list-cases.js'
import { lookCases } from './queue-cases/look-cases.js'
import { moveCases } from './queue-cases/move-cases.js'
import { moveCrashCases } from './queue-cases/move-crash-cases.js'
import { lengthCases } from './queue-cases/length-cases.js'
import { outcomeCases } from './queue-cases/outcome-cases.js'
import { placeCases } from './queue-cases/place-cases.js'
import { putCases } from './queue-cases/put-cases.js'
import { retryStateCases } from './queue-cases/retry-state-cases.js'
import { settleCases } from './queue-cases/settle-cases.js'
import { signalCases } from './queue-cases/signal-cases.js'
import { syncCases } from './queue-cases/sync-cases.js'
import { timeCases } from './queue-cases/time-cases.js'
import { sweepCases } from './queue-cases/sweep-cases.js'
import { troubleCases } from './queue-cases/trouble-cases.js'
import { troubleStateCases } from './queue-cases/trouble-state-cases.js'
import { updateCases } from './queue-cases/update-cases.js'
import { updateCrashCases } from './queue-cases/update-crash-cases.js'
import { versionCases } from './queue-cases/version-cases.js'
import { walkCases } from './queue-cases/walk-cases.js'
import type { QueueCase } from './queue-harness.js'

/** The contract of a queue, as data: run each case on a harness of its own. */
export const queueContract: readonly QueueCase[] = [
  ...putCases,
  ...lengthCases,
  ...batchCases,
  ...compareCases,
  ...doneCases,
  ...updateCases,
  ...updateCrashCases,
  ...getCases,
  ...claimCases,
  ...fencedClaimCases,
  ...moveCases,
  ...settleCases,
  ...moveCrashCases,
  ...placeCases,
  ...retryStateCases,
  ...lookCases,
  ...outcomeCases,
  ...walkCases,
  ...listCases,
  ...timeCases,
  ...clockCases,
  ...controlCases,
  ...syncCases,
  ...leaseCases,
  ...documentCases,
  ...documentVersionCases,
  ...fencedDocumentCases,
  ...signalCases,
  ...sweepCases,
  ...versionCases,
  ...troubleCases,
  ...troubleStateCases,
  ...linkCases,
  ...endCases,
]
