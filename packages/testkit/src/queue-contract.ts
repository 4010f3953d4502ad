import { batchCases } from './queue-cases/puts/batch-cases.js'
import { claimCases } from './queue-cases/claims/claim-cases.js'
import { controlCases } from './queue-cases/state/control-cases.js'
import { documentCases } from './queue-cases/state/document-cases.js'
import { documentVersionCases } from './queue-cases/state/document-version-cases.js'
import { endCases } from './queue-cases/troubles/end-cases.js'
import { fencedClaimCases } from './queue-cases/claims/fenced-claim-cases.js'
import { fencedDocumentCases } from './queue-cases/state/fenced-document-cases.js'
import { getCases } from './queue-cases/claims/get-cases.js'
import { compareCases } from './queue-cases/puts/compare-cases.js'
import { doneCases } from './queue-cases/puts/done-cases.js'
import { clockCases } from './queue-cases/claims/clock-cases.js'
import { leaseCases } from './queue-cases/state/lease-cases.js'
import { linkCases } from './queue-cases/troubles/link-cases.js'
import { listCases } from './queue-cases/reads/list-cases.js'
import { lookCases } from './queue-cases/reads/look-cases.js'
import { moveCases } from './queue-cases/moves/move-cases.js'
import { moveCrashCases } from './queue-cases/moves/move-crash-cases.js'
import { lengthCases } from './queue-cases/puts/length-cases.js'
import { outcomeCases } from './queue-cases/moves/outcome-cases.js'
import { placeCases } from './queue-cases/claims/place-cases.js'
import { putCases } from './queue-cases/puts/put-cases.js'
import { retryStateCases } from './queue-cases/claims/retry-state-cases.js'
import { settleCases } from './queue-cases/moves/settle-cases.js'
import { signalCases } from './queue-cases/reads/signal-cases.js'
import { syncCases } from './queue-cases/state/sync-cases.js'
import { timeCases } from './queue-cases/claims/time-cases.js'
import { sweepCases } from './queue-cases/state/sweep-cases.js'
import { troubleCases } from './queue-cases/troubles/trouble-cases.js'
import { troubleStateCases } from './queue-cases/troubles/trouble-state-cases.js'
import { updateCases } from './queue-cases/puts/update-cases.js'
import { updateCrashCases } from './queue-cases/puts/update-crash-cases.js'
import { versionCases } from './queue-cases/state/version-cases.js'
import { walkCases } from './queue-cases/reads/walk-cases.js'
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
