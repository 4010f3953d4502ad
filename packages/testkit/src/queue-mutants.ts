import { clockMutants } from './queue-mutants/troubles/clock-mutants.js'
import { documentMutants } from './queue-mutants/state/document-mutants.js'
import { fenceMutants } from './queue-mutants/fence-mutants.js'
import { getMutants } from './queue-mutants/get-mutants.js'
import { linkMutants } from './queue-mutants/troubles/link-mutants.js'
import { lookMutants } from './queue-mutants/look-mutants.js'
import { moveMutants } from './queue-mutants/move-mutants.js'
import { putMutants } from './queue-mutants/put-mutants.js'
import type { QueueMutant } from './queue-mutants/queue-mutant.js'
import { returnMutants } from './queue-mutants/return-mutants.js'
import { signalMutants } from './queue-mutants/troubles/signal-mutants.js'
import { storeMutants } from './queue-mutants/state/store-mutants.js'
import { sweepMutants } from './queue-mutants/state/sweep-mutants.js'
import { troubleMutants } from './queue-mutants/troubles/trouble-mutants.js'
import { updateMutants } from './queue-mutants/update-mutants.js'
import { versionMutants } from './queue-mutants/state/version-mutants.js'

/** Queues that are broken on purpose: every case of the contract catches at least one of them. */
export const queueMutants: readonly QueueMutant[] = [
  ...putMutants,
  ...updateMutants,
  ...getMutants,
  ...fenceMutants,
  ...moveMutants,
  ...returnMutants,
  ...lookMutants,
  ...storeMutants,
  ...clockMutants,
  ...documentMutants,
  ...signalMutants,
  ...sweepMutants,
  ...troubleMutants,
  ...versionMutants,
  ...linkMutants,
]
