import { checkCases } from './cases/send/check-cases.js'
import { concernsCases } from './cases/send/concerns-cases.js'
import { earlierCases } from './cases/earlier-cases.js'
import { identityCases } from './cases/identity-cases.js'
import { incompletePollCases } from './cases/incomplete-poll-cases.js'
import { logCases } from './cases/log-cases.js'
import { pendingCases } from './cases/pending-cases.js'
import { overrideCases } from './cases/send/override-cases.js'
import { pollCases } from './cases/poll-cases.js'
import { probeCases } from './cases/send/probe-cases.js'
import { reportCases } from './cases/report-cases.js'
import { sendCases } from './cases/send/send-cases.js'
import { sendManyCases } from './cases/send/send-many-cases.js'
import { sendMixtureCases } from './cases/send/send-mixture-cases.js'
import { stopCases } from './cases/stop-cases.js'
import type { WorkerCase } from './worker-harness.js'

/** The contract of a worker, as data: run each case on a harness of its own. */
export const workerContract: readonly WorkerCase[] = [
  ...sendCases,
  ...sendMixtureCases,
  ...sendManyCases,
  ...overrideCases,
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
