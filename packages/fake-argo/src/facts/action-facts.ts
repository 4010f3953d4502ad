import { check, same } from '@sluice/testkit/server'
import { argoLabel, asText } from '../argo-workflow.js'
import type { ArgoFact } from './argo-fact.js'
import { labelsOf, metadataOf, phaseOf, Probe, refused, statusOf, taken } from './probe.js'

const LONG = { parameters: ['item=1', 'seconds=60'] }
const FAILING = { parameters: ['item=1', 'mode=fail', 'seconds=0'] }

/** What the verbs do. */
export const actionFacts: readonly ArgoFact[] = [
  {
    id: 'ARGO-ACT-1',
    title:
      'Terminated, a running workflow ends Failed with a message; a second terminate is refused with 500, code 13.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        await probe.submitted('a', LONG)
        await probe.untilPhase('a', 'Running')
        taken(await probe.act('a', 'terminate'), 'terminate')
        const ended = await probe.untilPhase('a', 'Failed', 'Error')
        const message = asText(statusOf(ended)['message']) ?? ''
        check(message.includes("Stopped with strategy 'Terminate'"), 'its message', message)
        refused(await probe.act('a', 'terminate'), [500, 13], {
          words: 'cannot shutdown a completed workflow',
          what: 'again',
        })
      }),
  },
  {
    id: 'ARGO-ACT-2',
    title: 'Stopped, a running workflow ends Failed with a message.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        await probe.submitted('a', LONG)
        await probe.untilPhase('a', 'Running')
        taken(await probe.act('a', 'stop'), 'stop')
        const ended = await probe.untilPhase('a', 'Failed', 'Error')
        check(
          (asText(statusOf(ended)['message']) ?? '').includes("strategy 'Stop'"),
          'its message',
          statusOf(ended)['message'],
        )
      }),
  },
  {
    id: 'ARGO-ACT-3',
    title:
      'Retried, a failed workflow keeps name and uid; its status is reset, and its label of the phase later.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const { uid } = metadataOf(await probe.submitted('a', FAILING))
        await probe.untilPhase('a', 'Failed')
        const again = taken(await probe.act('a', 'retry'), 'retry')
        same([metadataOf(again)['uid'], phaseOf(again)], [uid, ''], 'uid and phase')
        same(statusOf(again)['finishedAt'], null, 'its end')
        same(labelsOf(again)[argoLabel('phase')], 'Failed', 'its label of the phase')
        same(labelsOf(again)[argoLabel('completed')], undefined, 'its label of completion')
        await probe.untilPhase('a', 'Failed')
      }),
  },
  {
    id: 'ARGO-ACT-4',
    title:
      'A retry of a running workflow, or of a succeeded one without options, is refused with 400, code 3.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        await probe.submitted('a', LONG)
        await probe.untilPhase('a', 'Running')
        refused(await probe.act('a', 'retry'), [400, 3], {
          words: 'Cannot retry a workflow in phase Running',
          what: 'a running one',
        })
        await probe.submitted('b')
        await probe.untilPhase('b', 'Succeeded')
        refused(await probe.act('b', 'retry'), [400, 3], {
          words: 'To retry a succeeded workflow',
          what: 'a succeeded one',
        })
      }),
  },
  {
    id: 'ARGO-ACT-5',
    title: 'A resubmit makes a copy under a generated name, with the labels and the name of the original.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const old = await probe.submitted('a', FAILING)
        await probe.untilPhase('a', 'Failed')
        const copy = taken(await probe.act('a', 'resubmit'), 'resubmit')
        const { name, uid } = metadataOf(copy)
        probe.keep(asText(name) ?? '')
        check(uid !== metadataOf(old)['uid'] && name !== probe.name('a'), 'another name and uid')
        const labels = labelsOf(copy)
        same(labels['example.com/fact'], target.prefix, 'a label that its user gave')
        same(labels[argoLabel('resubmitted-from-workflow')], probe.name('a'), 'where it comes from')
        same(
          [labels[argoLabel('phase')], labels[argoLabel('completed')]],
          [undefined, undefined],
          'labels of its end',
        )
      }),
  },
  {
    id: 'ARGO-ACT-6',
    title: 'Verbs on a missing workflow are refused with 404, code 5; unknown verbs with 501, code 12.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        for (const verb of ['retry', 'resubmit', 'stop', 'terminate', 'suspend', 'resume']) {
          refused(await probe.act('none', verb), [404, 5], { words: 'not found', what: verb })
        }
        refused(await probe.act('none', 'nosuch'), [501, 12], {
          words: 'Not Implemented',
          what: 'an unknown verb',
        })
      }),
  },
  {
    id: 'ARGO-ACT-7',
    title:
      'Suspending an ended workflow is refused with 400, code 3; resuming one that is not suspended changes nothing.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        await probe.submitted('a')
        await probe.untilPhase('a', 'Succeeded')
        refused(await probe.act('a', 'suspend'), [400, 3], {
          words: 'cannot suspend completed workflows',
          what: 'suspend',
        })
        same(phaseOf(taken(await probe.act('a', 'resume'), 'resume')), 'Succeeded', 'its phase')
      }),
  },
  {
    id: 'ARGO-ACT-8',
    title: '`set` needs a node selector: without it 500, code 13.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        await probe.submitted('a', LONG)
        const came = await probe.act('a', 'set', { phase: 'Failed' })
        refused(came, [500, 13], { words: "'set' currently only targets suspend nodes", what: 'set' })
      }),
  },
]
