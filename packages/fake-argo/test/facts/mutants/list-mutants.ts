import {
  answering,
  answeringBody,
  changed,
  misreading,
  misreadingQuery,
  type ArgoMutant,
} from './argo-mutant.ts'

const SELECTOR = 'listOptions.labelSelector'
const CONTINUE = 'listOptions.continue'
const LIMIT = 'listOptions.limit'

export const listMutants: readonly ArgoMutant[] = [
  {
    title: 'an empty list is `[]`',
    breaks: { 'ARGO-LIST-1': 'items and kind' },
    ...answeringBody('ListWorkflows', (body) => ({ ...body, items: body['items'] ?? [] })),
  },
  {
    title: 'a list has no resourceVersion',
    breaks: {
      'ARGO-LIST-1': 'it has a resourceVersion',
      'ARGO-LIST-7': 'it has a resourceVersion',
      'ARGO-WATCH-4': 'the first that is new',
    },
    ...answeringBody('ListWorkflows', (body) => changed(body, 'metadata', { resourceVersion: undefined })),
  },
  {
    title: '`!=` does not select what lacks the label',
    breaks: { 'ARGO-LIST-2': 'the names that example.com/x!=a selects' },
    ...misreadingQuery('ListWorkflows', (query) => ({
      [SELECTOR]: (query.get(SELECTOR) ?? '').replace('example.com/x!=a', 'example.com/x,example.com/x!=a'),
    })),
  },
  {
    title: 'a `continue` that is no offset counts for none',
    breaks: { 'ARGO-LIST-3': 'a continue that is a word: the status and code of its refusal' },
    ...misreadingQuery('ListWorkflows', (query) => ({
      [CONTINUE]: query.get(CONTINUE) === 'abc' ? undefined : (query.get(CONTINUE) ?? undefined),
    })),
  },
  {
    title: 'field selectors that are unknown are ignored',
    breaks: { 'ARGO-LIST-3': 'a field selector of the phase: the status and code of its refusal' },
    ...misreadingQuery('ListWorkflows', (query) => ({
      'listOptions.fieldSelector': query.get('listOptions.fieldSelector')?.startsWith('status.')
        ? undefined
        : (query.get('listOptions.fieldSelector') ?? undefined),
    })),
  },
  {
    title: 'the number that remains is text',
    breaks: { 'ARGO-LIST-4': 'the number that remains, as a number' },
    ...answering('ListWorkflows', (answer) => ({
      ...answer,
      body: answer.body.replace(/("remainingItemCount":)(\d+)/, '$1"$2"'),
    })),
  },
  {
    title: 'each page begins one row too late',
    breaks: { 'ARGO-LIST-4': 'the number that remains, as a number' },
    ...misreadingQuery('ListWorkflows', (query) => {
      const at = query.get(CONTINUE)
      return { [CONTINUE]: at === null || at === '' ? undefined : String(Number(at) + 1) }
    }),
  },
  {
    title: 'v3 has the bug of v4 in `continue`',
    breaks: { 'ARGO-LIST-5': 'continue and count' },
    options: { version: '3.7.18', rules: { continueBug: true } },
  },
  {
    title: 'v4.1 has no bug in `continue`',
    breaks: { 'ARGO-LIST-6': 'rows and continue' },
    options: { version: '4.1.2', rules: { continueBug: false } },
  },
  {
    title: 'a list shows all whatever `fields` says',
    breaks: { 'ARGO-LIST-7': 'items and metadata', 'ARGO-LIST-8': 'name, labels, managedFields' },
    ...misreadingQuery('ListWorkflows', () => ({ fields: undefined })),
  },
  {
    title: 'a limit that is no number is none',
    breaks: { 'ARGO-LIST-9': 'such a limit: the status and code of its refusal' },
    ...misreadingQuery('ListWorkflows', (query) => ({
      [LIMIT]: query.get(LIMIT) === 'abc' ? undefined : (query.get(LIMIT) ?? undefined),
    })),
  },
  {
    title: 'a limit that is no number is said in words of one’s own',
    breaks: { 'ARGO-LIST-9': 'such a limit is refused in the words' },
    ...answering('ListWorkflows', (answer) => ({
      ...answer,
      body: answer.body.replace('strconv.ParseInt: parsing', 'listOptions.limit:'),
    })),
  },
  {
    title: 'v4.1 brings back an empty creationTimestamp',
    breaks: { 'ARGO-LIST-7': 'items and metadata', 'ARGO-GET-2': 'the other metadata' },
    options: { version: '4.1.2', rules: { zeroTimestamps: true } },
  },
  {
    title: 'v4.0 brings back no empty creationTimestamp',
    breaks: { 'ARGO-LIST-7': 'items and metadata', 'ARGO-GET-2': 'the other metadata' },
    options: { version: '4.0.10', rules: { zeroTimestamps: false } },
  },
  {
    title: 'a list has the oldest first',
    breaks: { 'ARGO-LIST-13': 'the order' },
    ...answeringBody('ListWorkflows', (body) => {
      const { items } = body
      return { ...body, items: Array.isArray(items) ? items.toReversed() : items }
    }),
  },
  {
    title: 'what isn’t completed has no label of it',
    breaks: { 'ARGO-LIST-14': 'the running one in a list' },
    ...misreadingQuery('ListWorkflows', (query) => ({
      'listOptions.labelSelector': (query.get('listOptions.labelSelector') ?? '').replace(
        'completed=false',
        'completed=none',
      ),
    })),
  },
  {
    title: 'names are not selected by',
    breaks: { 'ARGO-LIST-10': 'the name' },
    ...misreadingQuery('ListWorkflows', () => ({ 'listOptions.fieldSelector': undefined })),
  },
  {
    title: 'a part of a name does not do',
    breaks: { 'ARGO-LIST-10': 'how many names begin so' },
    options: { rules: { nameFilter: false } },
  },
  {
    title: 'all namespaces are listed without the last slash too',
    breaks: { 'ARGO-LIST-11': 'the path without its last slash: the status and code of its refusal' },
    ...misreading('Unknown', (request) =>
      request.path === '/api/v1/workflows' ? { ...request, operation: 'ListWorkflows' } : request,
    ),
  },
  {
    title: 'lists are behind by an hour',
    breaks: { 'ARGO-LIST-12': 'the ended workflow in a list' },
    options: { listLagMs: 3_600_000 },
  },
]
