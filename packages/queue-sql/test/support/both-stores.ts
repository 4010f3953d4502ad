import type { QueueHarness } from '@sluice/testkit'
import { inject } from 'vitest'
import { postgresHarness } from './postgres-harness.js'
import { sqliteHarness } from './sqlite-harness.js'

/** The stores for `describe.each`: what holds on one must hold on the other. */
export const bothStores: [name: string, makeHarness: () => Promise<QueueHarness> | QueueHarness][] = [
  ['SQLite', () => sqliteHarness({ synchronous: 'NORMAL' })],
  ['PostgreSQL', () => postgresHarness(inject('postgresUrl'))],
]
