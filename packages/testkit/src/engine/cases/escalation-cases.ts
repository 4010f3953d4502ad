import { same } from '../../check.js'
import type { EngineCase, EngineRetryRule } from '../engine-harness.js'
import { EngineScene } from '../engine-scene.js'

const MEMORY = { parameter: 'memory', values: ['4Gi', '8Gi', '16Gi'] } as const
const RULES: readonly EngineRetryRule[] = [
  { classes: ['oom'], maxAttempts: 9, escalate: MEMORY },
  { classes: ['evicted'], maxAttempts: 9 },
]

/** E-ESCALATE-1. */
export const escalationCases: readonly EngineCase[] = [
  {
    id: 'E-ESCALATE-1',
    title: 'each attempt after a failure that its rule matches gets the next value, and others keep theirs',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(1)
      const engine = scene.engine({ retryRules: RULES })
      const failures = ['evicted', 'oom', 'evicted', 'oom', 'oom', 'failed']
      const values = await played(scene, failures, () => engine)
      same(values, ['4Gi', '4Gi', '8Gi', '8Gi', '16Gi', '16Gi'], 'the values of its attempts')
      const { history } = await scene.item('i000')
      const kept = history
        .map(({ details }) => JSON.stringify(details))
        .filter((text) => text.includes('memory'))
      same(kept.length, failures.length, 'the details of each attempt have its value')
    },
  },
  {
    id: 'E-ESCALATE-1/b',
    title: 'a new engine for each attempt, lost answers and other rules meanwhile do not change the values',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(1)
      const wider = [
        { ...RULES[0], maxAttempts: 9, escalate: { ...MEMORY, values: ['6Gi', '12Gi', '24Gi'] } },
      ]
      let life = 0
      const engineOf = () => {
        scene.worker.loseAnswer()
        return scene.engine({ retryRules: life++ < 2 ? RULES : wider, leaseTtlMs: 1_000 })
      }
      const values = await played(scene, ['oom', 'oom', 'oom', 'oom'], engineOf)
      same(values, ['4Gi', '8Gi', '16Gi', '24Gi'], 'the values of its attempts')
    },
  },
  {
    id: 'E-ESCALATE-1/c',
    title: 'an attempt that the worker refused is tried again with the same value',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(1)
      const engine = scene.engine({ retryRules: RULES })
      same(await played(scene, ['oom'], () => engine), ['4Gi'], 'the first value')
      scene.worker.troubleItem('i000', { concerns: 'item' })
      await scene.put(3, 1)
      await scene.ticks(engine, 5, () => scene.endAll())
      scene.worker.endTrouble()
      same(await played(scene, ['failed'], () => engine), ['8Gi'], 'the next value, refused in between')
    },
  },
  {
    id: 'E-ESCALATE-1/d',
    title: 'a requeue begins at the first value',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(1)
      const engine = scene.engine({ retryRules: RULES })
      same(await played(scene, ['oom', 'failed'], () => engine), ['4Gi', '8Gi'], 'until it fails for good')
      await scene.queue.requeue(['i000'])
      same(await played(scene, ['oom', 'failed'], () => engine), ['4Gi', '8Gi'], 'after the requeue')
    },
  },
]

/** Ends the attempts of an item one after the other so. @returns the value of each attempt */
async function played(
  scene: EngineScene,
  failures: readonly string[],
  engineOf: () => ReturnType<EngineScene['engine']>,
): Promise<readonly (string | undefined)[]> {
  const values: (string | undefined)[] = []
  for (const failureClass of failures) {
    const engine = engineOf()
    await scene.tickUntil(
      engine,
      async () => (await scene.worker.pollAllStatus()).get('i000')?.stage === 'PROCESSING',
      'an attempt runs',
    )
    values.push((await scene.worker.pollAllStatus()).get('i000')?.overrides?.['memory'])
    scene.worker.settleJob('i000', { stage: 'FAIL', failureClass })
    await scene.tickUntil(
      engine,
      async () => (await scene.item('i000')).failureClass === failureClass && scene.running().length === 0,
      'its end is settled',
    )
  }
  return values
}
