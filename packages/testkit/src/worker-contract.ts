import { checkCases } from './worker-cases/send/check-cases.js'
import { concernsCases } from './worker-cases/send/concerns-cases.js'
import { earlierCases } from './worker-cases/earlier-cases.js'
import { identityCases } from './worker-cases/identity-cases.js'
import { incompletePollCases } from './worker-cases/incomplete-poll-cases.js'
import { logCases } from './worker-cases/log-cases.js'
import { pendingCases } from './worker-cases/pending-cases.js'
import { pollCases } from './worker-cases/poll-cases.js'
import { probeCases } from './worker-cases/send/probe-cases.js'
import { reportCases } from './worker-cases/report-cases.js'
import { sendCases } from './worker-cases/send/send-cases.js'
import { sendManyCases } from './worker-cases/send/send-many-cases.js'
import { sendMixtureCases } from './worker-cases/send/send-mixture-cases.js'
import { stopCases } from './worker-cases/stop-cases.js'
import type { WorkerCase } from './worker-harness.js'

/** The contract of a worker, as data: run each case on a harness of its own. */
export const workerContract: readonly WorkerCase[] = [
  ...sendCases,
  ...sendMixtureCases,
  ...sendManyCases,
  ...concernsCases,
  ...probeCases,
  ...checkCases,
  ...pollCases,
  ...earlierCases,
  ...reportCases,
  ...incompletePollCases,
  ...pendingCases,
  ...stopCases,
  ...logCases,
  ...identityCases,
]
