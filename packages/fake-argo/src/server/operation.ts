/** The operations, by Argo's own names. `Page` is the UI's HTML, `Unknown` is answered 501. */
export const argoOperations = [
  'SubmitWorkflow',
  'CreateWorkflow',
  'ListWorkflows',
  'GetWorkflow',
  'WatchWorkflows',
  'WorkflowLogs',
  'DeleteWorkflow',
  'RetryWorkflow',
  'ResubmitWorkflow',
  'StopWorkflow',
  'TerminateWorkflow',
  'SuspendWorkflow',
  'ResumeWorkflow',
  'SetWorkflow',
  'ListArchivedWorkflows',
  'GetArchivedWorkflow',
  'DeleteArchivedWorkflow',
  'RetryArchivedWorkflow',
  'ResubmitArchivedWorkflow',
  'ListWorkflowTemplates',
  'GetWorkflowTemplate',
  'ListClusterWorkflowTemplates',
  'GetClusterWorkflowTemplate',
  'ListCronWorkflows',
  'GetCronWorkflow',
  'GetInfo',
  'GetVersion',
  'GetUserInfo',
  'Page',
  'Unknown',
] as const

/** One of them. */
export type ArgoOperation = (typeof argoOperations)[number]

/** One value for each operation. */
export function perOperation<T>(make: (operation: ArgoOperation) => T): Record<ArgoOperation, T> {
  return {
    SubmitWorkflow: make('SubmitWorkflow'),
    CreateWorkflow: make('CreateWorkflow'),
    ListWorkflows: make('ListWorkflows'),
    GetWorkflow: make('GetWorkflow'),
    WatchWorkflows: make('WatchWorkflows'),
    WorkflowLogs: make('WorkflowLogs'),
    DeleteWorkflow: make('DeleteWorkflow'),
    RetryWorkflow: make('RetryWorkflow'),
    ResubmitWorkflow: make('ResubmitWorkflow'),
    StopWorkflow: make('StopWorkflow'),
    TerminateWorkflow: make('TerminateWorkflow'),
    SuspendWorkflow: make('SuspendWorkflow'),
    ResumeWorkflow: make('ResumeWorkflow'),
    SetWorkflow: make('SetWorkflow'),
    ListArchivedWorkflows: make('ListArchivedWorkflows'),
    GetArchivedWorkflow: make('GetArchivedWorkflow'),
    DeleteArchivedWorkflow: make('DeleteArchivedWorkflow'),
    RetryArchivedWorkflow: make('RetryArchivedWorkflow'),
    ResubmitArchivedWorkflow: make('ResubmitArchivedWorkflow'),
    ListWorkflowTemplates: make('ListWorkflowTemplates'),
    GetWorkflowTemplate: make('GetWorkflowTemplate'),
    ListClusterWorkflowTemplates: make('ListClusterWorkflowTemplates'),
    GetClusterWorkflowTemplate: make('GetClusterWorkflowTemplate'),
    ListCronWorkflows: make('ListCronWorkflows'),
    GetCronWorkflow: make('GetCronWorkflow'),
    GetInfo: make('GetInfo'),
    GetVersion: make('GetVersion'),
    GetUserInfo: make('GetUserInfo'),
    Page: make('Page'),
    Unknown: make('Unknown'),
  }
}

/** The target of a request. What the path does not name is empty. */
export interface ArgoRoute {
  readonly operation: ArgoOperation
  readonly namespace: string
  /** A workflow's or template's name, or an archived workflow's uid. */
  readonly name: string
}

/** `:` is a segment that names something; the namespace may be empty, a name may not. */
const ROUTES: readonly (readonly [method: string, path: string, operation: ArgoOperation])[] = [
  ['POST', 'workflows/:namespace/submit', 'SubmitWorkflow'],
  ['POST', 'workflows/:namespace', 'CreateWorkflow'],
  ['GET', 'workflows/:namespace', 'ListWorkflows'],
  ['GET', 'workflows/:namespace/:name', 'GetWorkflow'],
  ['GET', 'workflow-events/:namespace', 'WatchWorkflows'],
  ['GET', 'workflows/:namespace/:name/log', 'WorkflowLogs'],
  ['DELETE', 'workflows/:namespace/:name', 'DeleteWorkflow'],
  ['PUT', 'workflows/:namespace/:name/retry', 'RetryWorkflow'],
  ['PUT', 'workflows/:namespace/:name/resubmit', 'ResubmitWorkflow'],
  ['PUT', 'workflows/:namespace/:name/stop', 'StopWorkflow'],
  ['PUT', 'workflows/:namespace/:name/terminate', 'TerminateWorkflow'],
  ['PUT', 'workflows/:namespace/:name/suspend', 'SuspendWorkflow'],
  ['PUT', 'workflows/:namespace/:name/resume', 'ResumeWorkflow'],
  ['PUT', 'workflows/:namespace/:name/set', 'SetWorkflow'],
  ['GET', 'archived-workflows', 'ListArchivedWorkflows'],
  ['GET', 'archived-workflows/:name', 'GetArchivedWorkflow'],
  ['DELETE', 'archived-workflows/:name', 'DeleteArchivedWorkflow'],
  ['PUT', 'archived-workflows/:name/retry', 'RetryArchivedWorkflow'],
  ['PUT', 'archived-workflows/:name/resubmit', 'ResubmitArchivedWorkflow'],
  ['GET', 'workflow-templates/:namespace', 'ListWorkflowTemplates'],
  ['GET', 'workflow-templates/:namespace/:name', 'GetWorkflowTemplate'],
  ['GET', 'cluster-workflow-templates', 'ListClusterWorkflowTemplates'],
  ['GET', 'cluster-workflow-templates/:name', 'GetClusterWorkflowTemplate'],
  ['GET', 'cron-workflows/:namespace', 'ListCronWorkflows'],
  ['GET', 'cron-workflows/:namespace/:name', 'GetCronWorkflow'],
  ['GET', 'info', 'GetInfo'],
  ['GET', 'version', 'GetVersion'],
  ['GET', 'userinfo', 'GetUserInfo'],
]

/** By method and number of segments, so that few are compared. */
const BY_SHAPE = Map.groupBy(
  ROUTES.map(([method, path, operation]) => ({ method, segments: path.split('/'), operation })),
  ({ method, segments }) => `${method} ${segments.length}`,
)

/** Finds the operation of a path. */
export function routeOf(method: string, path: string): ArgoRoute {
  if (!path.startsWith('/api/')) return { operation: 'Page', namespace: '', name: '' }
  const segments = path.slice('/api/v1/'.length).split('/').map(decoded)
  const known = path.startsWith('/api/v1/') ? BY_SHAPE.get(`${method} ${segments.length}`) : undefined
  const route = known?.find((one) => matches(one.segments, segments))
  if (route === undefined) return { operation: 'Unknown', namespace: '', name: '' }
  const at = (name: string) => segments[route.segments.indexOf(name)] ?? ''
  return { operation: route.operation, namespace: at(':namespace'), name: at(':name') }
}

function matches(pattern: readonly string[], segments: readonly string[]): boolean {
  return pattern.every((want, index) => want.startsWith(':') || want === segments[index])
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // As Argo's server does.
    return text
  }
}
