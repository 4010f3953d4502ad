import { capCases } from './engine-cases/cap-cases.js'
import { engineControlCases } from './engine-cases/control-cases.js'
import { guardCases } from './engine-cases/guard-cases.js'
import { onceCases } from './engine-cases/once-cases.js'
import { outcomeCases } from './engine-cases/outcome-cases.js'
import { troubleCases } from './engine-cases/trouble-cases.js'
import type { EngineCase } from './engine-harness.js'

/** The contract of an engine, as data: run each case on a harness of its own. */
export const engineContract: readonly EngineCase[] = [
  ...capCases,
  ...onceCases,
  ...outcomeCases,
  ...troubleCases,
  ...guardCases,
  ...engineControlCases,
]
