import type { ArgoFact } from './argo-fact.js'
import { actionFacts } from './action-facts.js'
import { argumentFacts } from './argument-facts.js'
import { createFacts } from './create-facts.js'
import { endingFacts } from './ending-facts.js'
import { logFacts } from './log-facts.js'
import { listFacts } from './list-facts.js'
import { phaseFacts } from './phase-facts.js'
import { referencingFacts } from './referencing-facts.js'
import { submitFacts } from './submit-facts.js'
import { watchFacts } from './watch-facts.js'
import { wireFacts } from './wire-facts.js'

/** What an Argo Server does, as far as a worker depends on it. */
export const argoServerFacts: readonly ArgoFact[] = [
  ...wireFacts,
  ...submitFacts,
  ...argumentFacts,
  ...createFacts,
  ...phaseFacts,
  ...listFacts,
  ...watchFacts,
  ...logFacts,
  ...actionFacts,
  ...referencingFacts,
  ...endingFacts,
]
