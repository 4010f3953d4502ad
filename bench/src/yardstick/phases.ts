import { clean } from './clean.ts'
import type { Phase } from './phase.ts'
import { pressureIdle } from './pressure.ts'

export const phases: readonly Phase[] = [clean, pressureIdle]
