import { misreading, misreadingQuery, type ArgoMutant } from './argo-mutant.ts'

const VERSION = 'listOptions.resourceVersion'
const SELECTOR = 'listOptions.labelSelector'

function accepting(accept: string): Pick<ArgoMutant, 'start'> {
  return misreading('WatchWorkflows', (request) => ({
    ...request,
    headers: { ...request.headers, accept },
  }))
}

export const watchMutants: readonly ArgoMutant[] = [
  {
    title: 'events are not known: it is lines of JSON always',
    breaks: { 'ARGO-WATCH-1': 'what a watch tells', 'ARGO-WATCH-10': 'what a watch tells' },
    ...accepting('application/json'),
  },
  {
    title: 'it is events always',
    breaks: { 'ARGO-WATCH-2': 'the type' },
    ...accepting('text/event-stream'),
  },
  {
    title: 'what is there already is not told',
    breaks: { 'ARGO-WATCH-3': 'the first event' },
    ...misreadingQuery('WatchWorkflows', () => ({ [VERSION]: '1000000000' })),
  },
  {
    title: 'a list’s resourceVersion is too old',
    breaks: { 'ARGO-WATCH-4': 'an event of a watch' },
    ...misreadingQuery('WatchWorkflows', (query) => ({ [VERSION]: query.get(VERSION) === '0' ? '0' : '1' })),
  },
  {
    title: 'what leaves the selection leaves without a word',
    breaks: { 'ARGO-WATCH-5': 'an event of a watch' },
    ...misreadingQuery('WatchWorkflows', (query) => ({
      [SELECTOR]: (query.get(SELECTOR) ?? '').replace(/,workflows\.argoproj\.io\/completed!=true$/, ''),
    })),
  },
  {
    title: 'a resourceVersion is never too old',
    breaks: { 'ARGO-WATCH-6': 'an event of a watch' },
    ...misreadingQuery('WatchWorkflows', () => ({ [VERSION]: '0' })),
  },
  {
    title: 'Kubernetes never closes a watch',
    breaks: { 'ARGO-WATCH-7': 'an event of a watch' },
    ...misreadingQuery('WatchWorkflows', () => ({ 'listOptions.timeoutSeconds': undefined })),
  },
  {
    title: 'a watch shows all whatever `fields` says',
    breaks: { 'ARGO-WATCH-8': 'an event without its type' },
    ...misreadingQuery('WatchWorkflows', () => ({ fields: undefined })),
  },
  {
    title: 'a watch of one name waits for it',
    breaks: { 'ARGO-WATCH-9': 'an event of a watch' },
    ...misreadingQuery('WatchWorkflows', () => ({ 'listOptions.fieldSelector': undefined })),
  },
  {
    title: 'there are no comments to keep a watch alive',
    breaks: { 'ARGO-WATCH-10': 'what a watch tells' },
    options: { watching: { keepaliveMs: 3_600_000 } },
  },
]
