import { breakerCases } from './cases/breaker-cases.js'
import { capCases } from './cases/cap-cases.js'
import { engineControlCases } from './cases/control-cases.js'
import { deadlineCases } from './cases/deadline-cases.js'
import { escalationCases } from './cases/escalation-cases.js'
import { guardCases } from './cases/guard-cases.js'
import { manyCases } from './cases/many-cases.js'
import { onceCases } from './cases/once-cases.js'
import { outcomeCases } from './cases/outcome-cases.js'
import { policyCases } from './cases/policy-cases.js'
import { pressureCases } from './cases/pressure-cases.js'
import { troubleCases } from './cases/trouble-cases.js'
import type { EngineCase } from './engine-harness.js'

/** The contract of an engine, as data: run each case on a harness of its own. */
export const engineContract: readonly EngineCase[] = [
  ...capCases,
  ...policyCases,
  ...onceCases,
  ...manyCases,
  ...outcomeCases,
  ...escalationCases,
  ...deadlineCases,
  ...troubleCases,
  ...pressureCases,
  ...guardCases,
  ...breakerCases,
  ...engineControlCases,
]
