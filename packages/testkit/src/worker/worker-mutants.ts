import { checkMutants } from './mutants/check-mutants.js'
import { identityMutants } from './mutants/identity-mutants.js'
import { logMutants } from './mutants/log-mutants.js'
import { overrideMutants } from './mutants/override-mutants.js'
import { pollMutants } from './mutants/poll-mutants.js'
import { reportMutants } from './mutants/report-mutants.js'
import { sendMutants } from './mutants/send-mutants.js'
import { sendManyMutants } from './mutants/send-many-mutants.js'
import { stopMutants } from './mutants/stop-mutants.js'
import { troubleMutants } from './mutants/trouble-mutants.js'
import type { WorkerMutant } from './mutants/worker-mutant.js'

export type { WorkerMutant } from './mutants/worker-mutant.js'

/** Workers that are broken on purpose: every case of the contract catches at least one of them. */
export const workerMutants: readonly WorkerMutant[] = [
  ...sendMutants,
  ...sendManyMutants,
  ...overrideMutants,
  ...troubleMutants,
  ...checkMutants,
  ...pollMutants,
  ...reportMutants,
  ...stopMutants,
  ...logMutants,
  ...identityMutants,
]
