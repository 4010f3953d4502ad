import type { BenchCase } from './bench-case.ts'
import { callers } from './cases/callers.ts'
import { claim } from './cases/claim.ts'
import { enqueue } from './cases/enqueue.ts'

/** All there are, in the order in which they run. */
export const cases: readonly BenchCase[] = [enqueue, callers, claim]
