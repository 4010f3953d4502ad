// What the contract needs of the queue beside it: `npx @sluice/testkit verify ./harness.ts`.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ManualRuntime, crashAtCalls, troubleAtCalls, type QueueHarness } from '@sluice/testkit'
import { openQueue } from './json-queue.ts'

export async function harness(): Promise<QueueHarness> {
  const dir = await mkdtemp(join(tmpdir(), 'json-queue-'))
  const runtime = new ManualRuntime()
  const open = (name = 'contract') => openQueue({ name, dir, runtime })
  return {
    open,
    passTime: (ms) => runtime.advance(ms),
    // Each call changes the file once, so a crash at a call is a crash at the file.
    openCrashing: async (point) => crashAtCalls(await open(), point),
    openTroubled: async (options) => troubleAtCalls(await open(), options),
    close: () => rm(dir, { recursive: true }),
  }
}
