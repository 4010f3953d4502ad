import { check, same, sameMembers } from '@sluice/testkit/server'
import { argoLabel, asArray, asObject, asText, type JsonObject } from '../argo-workflow.js'
import type { ArgoFact } from './argo-fact.js'
import { isAtLeast } from '../argo-version.js'
import { metadataOf, namesOf, Probe, refused, statusOf, taken, zeroTimestamp } from './probe.js'

const SHOW_REMAINING = { 'listOptions.fieldSelector': 'ext.showRemainingItemCount=true' }

/** Submits a number of workflows and waits until they are listed. */
async function listedMany(
  probe: Probe,
  count: number,
  options: (index: number) => JsonObject = () => ({}),
): Promise<string[]> {
  const names: string[] = []
  for (let index = 0; index < count; index++) {
    await probe.submitted(`n${index}`, options(index))
    names.push(probe.name(`n${index}`))
  }
  await probe.untilListed(count)
  return names
}

/** What lists show. */
export const listFacts: readonly ArgoFact[] = [
  {
    id: 'ARGO-LIST-1',
    title: 'An empty list has `items: null` and a resourceVersion, and no kind.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const list = taken(await probe.list(), 'an empty list')
        same([list['items'], list['kind']], [null, undefined], 'items and kind')
        check(typeof metadataOf(list)['resourceVersion'] === 'string', 'it has a resourceVersion', list)
      }),
  },
  {
    id: 'ARGO-LIST-2',
    title: 'Label selectors support `=`, `!=`, `in`, `notin`, and that a label exists or does not.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const labels = [`${probe.label},example.com/x=a`, `${probe.label},example.com/x=b`, probe.label]
        const [a = '', b = '', c = ''] = await listedMany(probe, 3, (index) => ({
          labels: labels[index] ?? '',
        }))
        const expected: readonly (readonly [string, string[]])[] = [
          ['example.com/x=a', [a]],
          ['example.com/x==a', [a]],
          ['example.com/x!=a', [b, c]],
          ['example.com/x in (a, b)', [a, b]],
          ['example.com/x notin (a)', [b, c]],
          ['example.com/x', [a, b]],
          ['!example.com/x', [c]],
        ]
        for (const [selector, names] of expected) {
          const list = taken(
            await probe.list({ 'listOptions.labelSelector': `${probe.label},${selector}` }),
            selector,
          )
          sameMembers(namesOf(list), names, `the names that ${selector} selects`)
        }
      }),
  },
  {
    id: 'ARGO-LIST-3',
    title:
      'A malformed label selector, an unknown field selector and a `continue` that is no offset are refused with 400, code 3.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const label = await probe.list({ 'listOptions.labelSelector': 'a in b' })
        refused(label, [400, 3], { words: '', what: 'a malformed label selector' })
        const field = await probe.list({ 'listOptions.fieldSelector': 'status.phase=Running' })
        refused(field, [400, 3], {
          words: 'unsupported requirement status.phase=Running',
          what: 'a field selector of the phase',
        })
        const word = await probe.list({ 'listOptions.continue': 'abc' })
        refused(word, [400, 3], {
          words: 'listOptions.continue must be int',
          what: 'a continue that is a word',
        })
        const negative = await probe.list({ 'listOptions.continue': '-1' })
        refused(negative, [400, 3], { words: 'listOptions.continue must >= 0', what: 'a negative continue' })
      }),
  },
  {
    id: 'ARGO-LIST-4',
    title: 'With ext.showRemainingItemCount, `continue` leads through all pages, and the count is right.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const names = await listedMany(probe, 5)
        const seen: string[] = []
        let page: Record<string, string> = {}
        for (const left of [3, 1, 0]) {
          const list = taken(
            await probe.list({ ...SHOW_REMAINING, 'listOptions.limit': '2', ...page }),
            'a page',
          )
          const { remainingItemCount, continue: next } = metadataOf(list)
          same(remainingItemCount, left, 'the number that remains, as a number')
          same(next === undefined, left === 0, 'there is a continue unless nothing remains')
          seen.push(...namesOf(list))
          page = { 'listOptions.continue': asText(next) ?? '' }
        }
        sameMembers(seen, names, 'the names on all pages')
      }),
  },
  {
    id: 'ARGO-LIST-5',
    title: 'Without it, `continue` is there on v3 as long as something remains, and no count.',
    needs: ({ version }) => (isAtLeast(version, 'v4.0.0') ? 'v4 deviates: ARGO-LIST-6' : undefined),
    run: (target) =>
      Probe.use(target, async (probe) => {
        await listedMany(probe, 3)
        const metadata = metadataOf(taken(await probe.list({ 'listOptions.limit': '2' }), 'a page'))
        same([metadata['continue'], metadata['remainingItemCount']], ['2', undefined], 'continue and count')
      }),
  },
  {
    id: 'ARGO-LIST-6',
    title:
      'Without it, v4.0.0 to v4.1.2 with no archived match return no `continue`, whatever remains (bug 15639).',
    needs: ({ version }) => {
      const has = isAtLeast(version, 'v4.0.0') && !isAtLeast(version, 'v4.1.3')
      return has ? undefined : 'not a version with this bug'
    },
    run: (target) =>
      Probe.use(target, async (probe) => {
        await listedMany(probe, 3)
        const list = taken(await probe.list({ 'listOptions.limit': '2' }), 'a page')
        same([namesOf(list).length, metadataOf(list)['continue']], [2, undefined], 'rows and continue')
        const rest = taken(
          await probe.list({ 'listOptions.limit': '2', 'listOptions.continue': '2' }),
          'the rest',
        )
        same(namesOf(rest).length, 1, 'rows at the next offset')
      }),
  },
  {
    id: 'ARGO-LIST-7',
    title:
      '`fields` selects what is returned, besides what Go always writes; without `metadata` there is no resourceVersion.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const [name = ''] = await listedMany(probe, 1)
        const list = taken(await probe.list({ fields: 'items.metadata.name' }), 'a list of names')
        const { items, metadata } = list
        const item = {
          metadata: { name, ...zeroTimestamp(target) },
          spec: { arguments: {} },
          status: { startedAt: null, finishedAt: null },
        }
        same([items, metadata], [[item], {}], 'items and metadata')
        const more = taken(
          await probe.list({ fields: 'metadata,items.metadata.labels.example.com/fact' }),
          'a list',
        )
        check(typeof metadataOf(more)['resourceVersion'] === 'string', 'it has a resourceVersion', more)
        const [first] = asArray(more['items'])
        same(metadataOf(asObject(first))['labels'], { 'example.com/fact': target.prefix }, 'its labels')
      }),
  },
  {
    id: 'ARGO-LIST-8',
    title: 'A leading `-` turns `fields` into an exclusion.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const [name = ''] = await listedMany(probe, 1)
        const fields = '-items.metadata.labels,items.metadata.managedFields,items.spec'
        const list = taken(await probe.list({ fields }), 'a list')
        const [item] = asArray(list['items']).map(asObject)
        const { name: shown, labels, managedFields } = metadataOf(item ?? {})
        same([shown, labels, managedFields], [name, undefined, undefined], 'name, labels, managedFields')
        same(item?.['spec'], { arguments: {} }, 'the spec')
      }),
  },
  {
    id: 'ARGO-LIST-9',
    title:
      'Unknown query keys are ignored; a limit that is no number is refused with 400, code 3, with the message of Go’s parser.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        taken(await probe.list({ nosuch: '1', 'listOptions.resourceVersion': '0' }), 'a list')
        const came = await probe.list({ 'listOptions.limit': 'abc' })
        refused(came, [400, 3], {
          words: 'strconv.ParseInt: parsing "abc": invalid syntax',
          what: 'such a limit',
        })
      }),
  },
  {
    id: 'ARGO-LIST-10',
    title: 'Lists select by name with a field selector; from v3.6 by a part of it too.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const [first = ''] = await listedMany(probe, 2)
        const byName = { 'listOptions.fieldSelector': `metadata.name=${first}` }
        same(namesOf(taken(await probe.list(byName), 'a list')), [first], 'the name')
        if (!isAtLeast(target.version, 'v3.6.0')) return
        const selector = {
          'listOptions.fieldSelector': `metadata.name=${target.prefix}`,
          nameFilter: 'Prefix',
        }
        same(namesOf(taken(await probe.list(selector), 'a list')).length, 2, 'how many names begin so')
      }),
  },
  {
    id: 'ARGO-LIST-11',
    title:
      'All namespaces are listed at the path with a trailing slash; without it there is no such route: 501.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const none = await probe.send('GET', 'workflows')
        refused(none, [501, 12], { words: 'Not Implemented', what: 'the path without its last slash' })
      }),
  },
  {
    id: 'ARGO-LIST-12',
    title: 'Labels of phase and completion change with the status; a list by them finds ended workflows.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        await probe.submitted('a')
        await probe.untilPhase('a', 'Succeeded')
        const selector = `${probe.label},${argoLabel('completed')}=true,${argoLabel('phase')}=Succeeded`
        const came = await probe.until(
          'the ended workflow in a list',
          () => probe.list({ 'listOptions.labelSelector': selector }),
          ({ body }) => namesOf(body).length === 1,
        )
        const [item] = asArray(came.body['items']).map(asObject)
        same(statusOf(item ?? {})['phase'], 'Succeeded', 'its phase')
      }),
  },
  {
    id: 'ARGO-LIST-13',
    title: 'A list begins with the newest running workflows.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        for (const suffix of ['a', 'b', 'c']) {
          await probe.submitted(suffix, { parameters: ['item=1', 'seconds=120'] })
          // Instants are whole seconds.
          await probe.pass(2_000)
        }
        const list = await probe.untilListed(3)
        same(
          namesOf(list.body),
          ['c', 'b', 'a'].map((suffix) => probe.name(suffix)),
          'the order',
        )
      }),
  },
  {
    id: 'ARGO-LIST-14',
    title:
      'From the first reconcile on, an unfinished workflow has the label completed=false: `!completed` finds only those before it.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        await probe.submitted('a', { parameters: ['item=1', 'seconds=120'] })
        await probe.untilPhase('a', 'Running')
        const label = argoLabel('completed')
        const running = await probe.until(
          'the running one in a list by completed=false',
          () => probe.list({ 'listOptions.labelSelector': `${probe.label},${label}=false` }),
          ({ body }) => namesOf(body).length === 1,
        )
        same(namesOf(running.body), [probe.name('a')], 'what isn’t completed')
        const both = await probe.list({ 'listOptions.labelSelector': `${probe.label},${label}!=true` })
        same(namesOf(taken(both, 'a list')), [probe.name('a')], 'what isn’t known to be completed')
        const unseen = await probe.list({ 'listOptions.labelSelector': `${probe.label},!${label}` })
        same(namesOf(taken(unseen, 'a list')), [], 'what was never looked at')
      }),
  },
]
