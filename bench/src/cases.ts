import type { BenchCase } from './bench-case.ts'
import { callers } from './cases/callers.ts'
import { claim } from './cases/claim.ts'
import { dispatch } from './cases/dispatch.ts'
import { enqueue } from './cases/enqueue.ts'
import { history } from './cases/history.ts'
import { memory } from './cases/memory.ts'
import { plans } from './cases/plans.ts'
import { sqlite } from './cases/sqlite.ts'
import { sqliteProcesses } from './cases/sqlite-processes.ts'

/** All there are, in the order in which they run. */
export const cases: readonly BenchCase[] = [
  enqueue,
  callers,
  claim,
  plans,
  dispatch,
  sqlite,
  sqliteProcesses,
  memory,
  history,
]
