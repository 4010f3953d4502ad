import { incompletePollCases } from './worker-cases/incomplete-poll-cases.js'
import { pendingCases } from './worker-cases/pending-cases.js'
import { pollCases } from './worker-cases/poll-cases.js'
import { sendCases } from './worker-cases/send-cases.js'
import { stopCases } from './worker-cases/stop-cases.js'
import type { WorkerCase } from './worker-harness.js'

/** The contract of a worker, as data: run each case on a harness of its own. */
export const workerContract: readonly WorkerCase[] = [
  ...sendCases,
  ...pollCases,
  ...incompletePollCases,
  ...pendingCases,
  ...stopCases,
]
