import { checkMutants } from './worker-mutants/check-mutants.js'
import { identityMutants } from './worker-mutants/identity-mutants.js'
import { logMutants } from './worker-mutants/log-mutants.js'
import { pollMutants } from './worker-mutants/poll-mutants.js'
import { reportMutants } from './worker-mutants/report-mutants.js'
import { sendMutants } from './worker-mutants/send-mutants.js'
import { sendManyMutants } from './worker-mutants/send-many-mutants.js'
import { stopMutants } from './worker-mutants/stop-mutants.js'
import { troubleMutants } from './worker-mutants/trouble-mutants.js'
import type { WorkerMutant } from './worker-mutants/worker-mutant.js'

export type { WorkerMutant } from './worker-mutants/worker-mutant.js'

/** Workers that are broken on purpose: every case of the contract catches at least one of them. */
export const workerMutants: readonly WorkerMutant[] = [
  ...sendMutants,
  ...sendManyMutants,
  ...troubleMutants,
  ...checkMutants,
  ...pollMutants,
  ...reportMutants,
  ...stopMutants,
  ...logMutants,
  ...identityMutants,
]
