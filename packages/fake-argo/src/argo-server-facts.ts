import type { ArgoFact } from './argo-fact.js'
import { actionFacts } from './facts/action-facts.js'
import { argumentFacts } from './facts/argument-facts.js'
import { createFacts } from './facts/create-facts.js'
import { endingFacts } from './facts/ending-facts.js'
import { logFacts } from './facts/log-facts.js'
import { listFacts } from './facts/list-facts.js'
import { phaseFacts } from './facts/phase-facts.js'
import { referencingFacts } from './facts/referencing-facts.js'
import { submitFacts } from './facts/submit-facts.js'
import { watchFacts } from './facts/watch-facts.js'
import { wireFacts } from './facts/wire-facts.js'

/** What an Argo Server does, one fact each, as far as a worker could care. */
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
