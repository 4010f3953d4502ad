import { putCases } from './queue-cases/put-cases.js'
import type { QueueCase } from './queue-harness.js'

/** The contract of a queue, as data: run each case on a harness of its own. */
export const queueContract: readonly QueueCase[] = [...putCases]
