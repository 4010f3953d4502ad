import { check, same } from '@sluice/testkit/server'
import { argoLabel, asObject, asText, type JsonObject } from '../argo-workflow.js'
import type { ArgoFact } from './argo-fact.js'
import { isAtLeast } from '../argo-version.js'
import { labelsOf, phaseOf, Probe, statusOf, taken } from './probe.js'

/** A workflow that waits for a minute, without a pod, once it has a mutex of this fact. */
function locked(probe: Probe, suffix: string): JsonObject {
  const [key = '', value = ''] = probe.label.split('=')
  const mutex = { name: probe.name('lock') }
  return {
    metadata: { name: probe.name(suffix), labels: { [key]: value } },
    spec: {
      entrypoint: 'main',
      arguments: { parameters: [{ name: 'seconds', value: '60' }] },
      templates: [{ name: 'main', suspend: { duration: '60' } }],
      synchronization: isAtLeast(probe.target.version, 'v3.6.0') ? { mutexes: [mutex] } : { mutex },
    },
  }
}

/** The holder of the lock, and a workflow that waits for it. */
async function queued(probe: Probe): Promise<JsonObject> {
  taken(await probe.create(locked(probe, 'first')), 'the first')
  await probe.untilPhase('first', 'Running')
  taken(await probe.create(locked(probe, 'second')), 'the second')
  return probe.untilPhase('second', 'Pending')
}

/** How workflows end that are shut down, and those that wait for a lock. */
export const endingFacts: readonly ArgoFact[] = [
  {
    id: 'ARGO-END-1',
    title: 'A shutdown stays in spec.shutdown and, from v4 on, in the label of the action.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        await probe.submitted('a', { parameters: ['item=1', 'seconds=60'] })
        await probe.untilPhase('a', 'Running')
        taken(await probe.act('a', 'stop'), 'stop')
        const ended = await probe.untilPhase('a', 'Failed', 'Error')
        same(asObject(ended['spec'])['shutdown'], 'Stop', 'spec.shutdown')
        if (isAtLeast(target.version, 'v4.0.0'))
          same(labelsOf(ended)[argoLabel('action')], 'Stop', 'the label of the action')
      }),
  },
  {
    id: 'ARGO-LOCK-1',
    title: 'A workflow that waits for a lock is Pending, names it, and has neither a start nor nodes.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const waits = statusOf(await queued(probe))
        const message = asText(waits['message']) ?? ''
        check(message.startsWith(`Waiting for ${target.namespace}/Mutex/`), 'its message', message)
        same([waits['startedAt'], waits['nodes']], [null, undefined], 'its start and its nodes')
        taken(await probe.act('first', 'terminate'), 'terminate')
        await probe.untilPhase('second', 'Running')
      }),
  },
  {
    id: 'ARGO-LOCK-2',
    title:
      'Stopped while it waits for a lock, it waits on; with the lock it begins its first node, and fails.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        await queued(probe)
        taken(await probe.act('second', 'stop'), 'stop')
        await probe.pass(5_000)
        same(
          phaseOf((await probe.get('second')).body),
          'Pending',
          'its phase as long as another has the lock',
        )
        taken(await probe.act('first', 'terminate'), 'terminate')
        const ended = await probe.untilPhase('second', 'Failed', 'Error', 'Succeeded')
        same(phaseOf(ended), 'Failed', 'its phase at the end')
        same(Object.keys(asObject(statusOf(ended)['nodes'])).length, 1, 'its nodes')
      }),
  },
  {
    id: 'ARGO-LOCK-3',
    title: 'Terminated while it waits for a lock, it fails: immediately, or when the lock is free.',
    needs: ({ version }) =>
      isAtLeast(version, 'v4.0.10') ? undefined : 'before v4.0.10 it may succeed (bug 16776)',
    run: (target) =>
      Probe.use(target, async (probe) => {
        await queued(probe)
        taken(await probe.act('second', 'terminate'), 'terminate')
        await probe.pass(5_000)
        taken(await probe.act('first', 'terminate'), 'terminate')
        const ended = await probe.untilPhase('second', 'Failed', 'Error', 'Succeeded')
        same(phaseOf(ended), 'Failed', 'its phase at the end')
      }),
  },
]
