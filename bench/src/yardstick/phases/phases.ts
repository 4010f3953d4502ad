import { chaos } from './chaos.ts'
import { clean } from './clean.ts'
import type { Phase } from './phase.ts'
import { pressures } from './pressure.ts'
import { rivals } from './rivals.ts'
import { s3 } from './s3.ts'
import { soak } from './soak.ts'
import { sqlite } from './sqlite.ts'

export const phases: readonly Phase[] = [clean, ...pressures, ...chaos, soak, rivals, ...sqlite, ...s3]
