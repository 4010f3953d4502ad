import { actionMutants } from './mutants/action-mutants.ts'
import { argumentMutants } from './mutants/argument-mutants.ts'
import type { ArgoMutant } from './mutants/argo-mutant.ts'
import { createMutants } from './mutants/create-mutants.ts'
import { endingMutants } from './mutants/ending-mutants.ts'
import { listMutants } from './mutants/list-mutants.ts'
import { logMutants } from './mutants/log-mutants.ts'
import { phaseMutants } from './mutants/phase-mutants.ts'
import { referencingMutants } from './mutants/referencing-mutants.ts'
import { submitMutants } from './mutants/submit-mutants.ts'
import { watchMutants } from './mutants/watch-mutants.ts'
import { wireMutants } from './mutants/wire-mutants.ts'

/** Servers that are broken on purpose: every fact catches at least one of them. */
export const argoMutants: readonly ArgoMutant[] = [
  ...wireMutants,
  ...submitMutants,
  ...argumentMutants,
  ...createMutants,
  ...phaseMutants,
  ...listMutants,
  ...watchMutants,
  ...logMutants,
  ...actionMutants,
  ...referencingMutants,
  ...endingMutants,
]
