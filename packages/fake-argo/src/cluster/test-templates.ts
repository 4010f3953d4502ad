import type { ArgoTemplate } from './templates.js'
import type { JsonObject } from '../argo-workflow.js'

const PARAMETERS = [
  { name: 'item', description: 'What the job is about.' },
  { name: 'mode', value: 'succeed', enum: ['succeed', 'fail', 'error', 'hang'] },
  { name: 'seconds', value: '1' },
]

const MAIN: JsonObject = {
  name: 'main',
  container: {
    image: 'busybox:1.37',
    terminationMessagePolicy: 'FallbackToLogsOnError',
    command: ['sh', '-c'],
    args: [
      'echo "working on $ITEM for $SECONDS_TO_RUN s"; sleep "$SECONDS_TO_RUN"; [ "$MODE" = succeed ] || { echo "told to fail" >&2; exit 1; }',
    ],
    env: [
      { name: 'ITEM', value: '{{workflow.parameters.item}}' },
      { name: 'MODE', value: '{{workflow.parameters.mode}}' },
      { name: 'SECONDS_TO_RUN', value: '{{workflow.parameters.seconds}}' },
    ],
  },
}

const WAIT: JsonObject = { name: 'main', suspend: { duration: '{{workflow.parameters.seconds}}' } }

/**
 * The templates a server starts with unless it is given others: `test-workflow-template` takes `item`
 * (needed), `mode` (`succeed`, `fail`, `error`, `hang`; default `succeed`) and `seconds` (default 1),
 * `test-workflow-template-podless` does the same without a pod, and there is one for the whole cluster and a
 * cron workflow of the same parameters.
 */
export const testTemplates: readonly ArgoTemplate[] = [
  {
    kind: 'WorkflowTemplate',
    metadata: { name: 'test-workflow-template' },
    spec: { entrypoint: 'main', arguments: { parameters: PARAMETERS }, templates: [MAIN] },
  },
  {
    kind: 'WorkflowTemplate',
    metadata: { name: 'test-workflow-template-podless' },
    spec: { entrypoint: 'main', arguments: { parameters: PARAMETERS }, templates: [WAIT] },
  },
  {
    kind: 'ClusterWorkflowTemplate',
    metadata: { name: 'test-cluster-workflow-template' },
    spec: { entrypoint: 'main', arguments: { parameters: PARAMETERS }, templates: [MAIN] },
  },
  {
    kind: 'CronWorkflow',
    metadata: { name: 'test-cron-workflow' },
    spec: {
      schedules: ['0 3 * * *'],
      suspend: true,
      workflowSpec: { entrypoint: 'main', arguments: { parameters: PARAMETERS }, templates: [MAIN] },
    },
  },
]
