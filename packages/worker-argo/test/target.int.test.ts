import { testWorker } from '@sluice/testkit/vitest'
import { TargetHarness, openTarget } from './argo-target.js'

const target = await openTarget()
await target.close()

testWorker(target.title, async () => new TargetHarness(await openTarget()), { timeoutMs: 600_000 })
