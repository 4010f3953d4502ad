import { check, same } from '@sluice/testkit/server'
import { argoLabel, asObject, asText, type JsonObject } from '../argo-workflow.js'
import type { ArgoFact } from './argo-fact.js'
import { labelsOf, metadataOf, phaseOf, Probe, refused, statusOf, taken, zeroTimestamp } from './probe.js'

/** The node of a workflow's first template. */
function rootNode(workflow: JsonObject): JsonObject {
  const nodes = asObject(statusOf(workflow)['nodes'])
  return asObject(nodes[asText(metadataOf(workflow)['name']) ?? ''])
}

/** How workflows run and end, and what remains of them. */
export const phaseFacts: readonly ArgoFact[] = [
  {
    id: 'ARGO-PHASE-1',
    title: 'Status and labels change phase in the same step, from the first to the last.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        await probe.submitted('a', { parameters: ['item=1', 'seconds=2'] })
        const running = await probe.untilPhase('a', 'Running')
        same(
          [labelsOf(running)[argoLabel('phase')], labelsOf(running)[argoLabel('completed')]],
          ['Running', 'false'],
          'labels of a running one',
        )
        check(typeof statusOf(running)['startedAt'] === 'string', 'a running one has its start')
        same(statusOf(running)['finishedAt'], null, 'the end of a running one')
        const ended = await probe.untilPhase('a', 'Succeeded')
        same(
          [labelsOf(ended)[argoLabel('phase')], labelsOf(ended)[argoLabel('completed')]],
          ['Succeeded', 'true'],
          'labels of an ended one',
        )
        check(typeof statusOf(ended)['finishedAt'] === 'string', 'an ended one has its end')
        same(statusOf(ended)['progress'], '1/1', 'its progress')
      }),
  },
  {
    id: 'ARGO-PHASE-2',
    title: 'A failure has a message and, at its node, the exit code as text.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        await probe.submitted('a', { parameters: ['item=1', 'mode=fail', 'seconds=0'] })
        const failed = await probe.untilPhase('a', 'Failed')
        same(labelsOf(failed)[argoLabel('phase')], 'Failed', 'its label')
        check(
          (asText(statusOf(failed)['message']) ?? '').includes('exit code 1'),
          'its message',
          statusOf(failed)['message'],
        )
        const node = rootNode(failed)
        same(
          [node['phase'], asObject(node['outputs'])['exitCode']],
          ['Failed', '1'],
          'phase and exit code of its node',
        )
      }),
  },
  {
    id: 'ARGO-PHASE-3',
    title: 'Each change has a resourceVersion of its own; the uid stays.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const made = await probe.submitted('a')
        const ended = await probe.untilPhase('a', 'Succeeded')
        same(metadataOf(ended)['uid'], metadataOf(made)['uid'], 'the uid')
        check(
          metadataOf(ended)['resourceVersion'] !== metadataOf(made)['resourceVersion'],
          'another resourceVersion',
        )
      }),
  },
  {
    id: 'ARGO-GET-1',
    title: 'GET of a missing workflow is refused with 404, code 5.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        refused(await probe.get('none'), [404, 5], {
          words: `workflows.argoproj.io "${probe.name('none')}" not found`,
          what: 'GET',
        })
      }),
  },
  {
    id: 'ARGO-GET-2',
    title: 'GET returns what `fields` selects, and what Go always writes.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        await probe.submitted('a')
        const workflow = taken(await probe.get('a', '?fields=metadata.name,metadata.uidX'), 'GET')
        const { metadata, spec, status } = workflow
        // A key is kept when a selected field begins with its path.
        const { uid, ...rest } = asObject(metadata)
        check(typeof uid === 'string', 'the uid, whose path a longer field begins with')
        same(rest, { name: probe.name('a'), ...zeroTimestamp(target) }, 'the other metadata')
        same([spec, status], [{ arguments: {} }, { startedAt: null, finishedAt: null }], 'spec and status')
      }),
  },
  {
    id: 'ARGO-DELETE-1',
    title: 'DELETE is answered 200 and {}, a second one 404; the name can be used again, with another uid.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const first = await probe.submitted('a', { parameters: ['item=1', 'seconds=60'] })
        const path = probe.path(probe.name('a'))
        same(taken(await probe.send('DELETE', path), 'DELETE'), {}, 'the answer')
        await probe.until(
          'the end of the deleted one',
          () => probe.get('a'),
          ({ status }) => status === 404,
        )
        same((await probe.send('DELETE', path)).status, 404, 'the status of a second DELETE')
        const second = await probe.submitted('a')
        check(metadataOf(second)['uid'] !== metadataOf(first)['uid'], 'another uid')
      }),
  },
  {
    id: 'ARGO-ARCHIVE-1',
    title:
      'Without an archive its list is empty and has no resourceVersion, and a row of it is refused with 500, code 13.',
    needs: ({ archive }) => (archive ? 'this server has an archive' : undefined),
    run: (target) =>
      Probe.use(target, async (probe) => {
        const list = taken(await probe.send('GET', 'archived-workflows'), 'the list')
        same(list, { metadata: {}, items: null }, 'the list')
        const row = await probe.send('GET', 'archived-workflows/00000000-0000-4000-8000-000000000000')
        refused(row, [500, 13], { words: 'getting archived workflows not supported', what: 'a row' })
      }),
  },
  {
    id: 'ARGO-ARCHIVE-2',
    title:
      'A finished workflow is archived, and GET by name finds it there once it is deleted, with kind and label.',
    needs: ({ archive }) => (archive ? undefined : 'no archive'),
    run: (target) =>
      Probe.use(target, async (probe) => {
        const { uid } = metadataOf(await probe.submitted('a'))
        await probe.untilPhase('a', 'Succeeded')
        const row = () => probe.send('GET', `archived-workflows/${asText(uid) ?? ''}`)
        await probe.until('the archived row', row, ({ status }) => status === 200)
        const label = argoLabel('workflow-archiving-status')
        await probe.until(
          'the label Archived',
          () => probe.get('a'),
          ({ body }) => labelsOf(body)[label] === 'Archived',
        )
        taken(await probe.send('DELETE', probe.path(probe.name('a'))), 'DELETE')
        const gone = ({ body }: { body: JsonObject }) => labelsOf(body)[label] === 'Persisted'
        const { body } = await probe.until('GET out of the archive', () => probe.get('a'), gone)
        same(
          [body['kind'], phaseOf(body), metadataOf(body)['uid']],
          ['Workflow', 'Succeeded', uid],
          'kind, phase, uid',
        )
        refused(await probe.act('a', 'retry'), [404, 5], {
          words: 'not found',
          what: 'a retry of what only the archive has',
        })
        taken(await probe.send('DELETE', `archived-workflows/${asText(uid) ?? ''}`), 'DELETE of the row')
        refused(await row(), [404, 5], { words: 'not found', what: 'the row afterwards' })
      }),
  },
]
