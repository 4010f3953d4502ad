import { batchCases } from './cases/puts/batch-cases.js'
import { claimCases } from './cases/claims/claim-cases.js'
import { namedClaimCases } from './cases/selection/named-claim-cases.js'
import { namedClaimEndCases } from './cases/selection/named-claim-end-cases.js'
import { peekCases } from './cases/selection/peek-cases.js'
import { resourceCases } from './cases/selection/resource-cases.js'
import { controlCases } from './cases/state/control-cases.js'
import { documentCases } from './cases/state/document-cases.js'
import { documentVersionCases } from './cases/state/document-version-cases.js'
import { endCases } from './cases/troubles/end-cases.js'
import { fencedClaimCases } from './cases/claims/fenced-claim-cases.js'
import { fencedDocumentCases } from './cases/state/fenced-document-cases.js'
import { getCases } from './cases/claims/get-cases.js'
import { compareCases } from './cases/puts/compare-cases.js'
import { doneCases } from './cases/puts/done-cases.js'
import { clockCases } from './cases/claims/clock-cases.js'
import { leaseCases } from './cases/state/lease-cases.js'
import { linkCases } from './cases/troubles/link-cases.js'
import { listCases } from './cases/reads/list-cases.js'
import { lookCases } from './cases/reads/look-cases.js'
import { moveCases } from './cases/moves/move-cases.js'
import { moveCrashCases } from './cases/moves/move-crash-cases.js'
import { lengthCases } from './cases/puts/length-cases.js'
import { outcomeCases } from './cases/moves/outcome-cases.js'
import { placeCases } from './cases/claims/place-cases.js'
import { putCases } from './cases/puts/put-cases.js'
import { retryStateCases } from './cases/claims/retry-state-cases.js'
import { settleCases } from './cases/moves/settle-cases.js'
import { signalCases } from './cases/reads/signal-cases.js'
import { syncCases } from './cases/state/sync-cases.js'
import { timeCases } from './cases/claims/time-cases.js'
import { sweepCases } from './cases/state/sweep-cases.js'
import { troubleCases } from './cases/troubles/trouble-cases.js'
import { troubleStateCases } from './cases/troubles/trouble-state-cases.js'
import { updateCases } from './cases/puts/update-cases.js'
import { updateCrashCases } from './cases/puts/update-crash-cases.js'
import { versionCases } from './cases/state/version-cases.js'
import { walkCases } from './cases/reads/walk-cases.js'
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
  ...resourceCases,
  ...peekCases,
  ...namedClaimCases,
  ...namedClaimEndCases,
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
