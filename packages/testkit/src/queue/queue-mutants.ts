import { clockMutants } from './mutants/troubles/clock-mutants.js'
import { documentMutants } from './mutants/state/document-mutants.js'
import { fenceMutants } from './mutants/fence-mutants.js'
import { getMutants } from './mutants/get-mutants.js'
import { linkMutants } from './mutants/troubles/link-mutants.js'
import { lookMutants } from './mutants/look-mutants.js'
import { moveMutants } from './mutants/move-mutants.js'
import { putMutants } from './mutants/put-mutants.js'
import type { QueueMutant } from './mutants/queue-mutant.js'
import { resourceMutants } from './mutants/selection/resource-mutants.js'
import { selectionMutants } from './mutants/selection/selection-mutants.js'
import { returnMutants } from './mutants/return-mutants.js'
import { signalMutants } from './mutants/troubles/signal-mutants.js'
import { storeMutants } from './mutants/state/store-mutants.js'
import { sweepMutants } from './mutants/state/sweep-mutants.js'
import { troubleMutants } from './mutants/troubles/trouble-mutants.js'
import { updateMutants } from './mutants/update-mutants.js'
import { versionMutants } from './mutants/state/version-mutants.js'

/** Queues that are broken on purpose: every case of the contract catches at least one of them. */
export const queueMutants: readonly QueueMutant[] = [
  ...putMutants,
  ...updateMutants,
  ...getMutants,
  ...fenceMutants,
  ...resourceMutants,
  ...selectionMutants,
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
