import type { NewItem } from '@sluice/core'
import type { ArgoServer, OutcomeRule } from '@sluice/fake-argo'
import { CommandError } from '../cli/command-error.js'
import { loadArgoFake } from '../fakes/fake-package.js'
import { openWorkerPackage } from '../packages/open-package.js'
import { plural } from '../output/amounts.js'
import type { DemoFacts, DemoKind, DemoWorker, DemoWorkerOptions } from './demo-kind.js'

const DEFAULT_ITEMS = 1_000
const TEMPLATE = 'test-workflow-template'
const ATTEMPT_LABEL = 'sluice/attempt'

/**
 * A workflow for each item, on a fake Argo Server in this process: everything but the cluster is real,
 * including HTTP.
 */
export const argoDemo: DemoKind = {
  folder: 'demo-argo',
  noun: 'workflow',
  flags: ['--argo'],
  limit: 50,
  columns: ['stage', 'attempt', 'details.workflow', 'durationMs', 'finishedAt', 'reason'],
  settings: {
    retry: { maxAttempts: 2, on: ['error', 'evicted'], backoff: { baseMs: 500, maxMs: 500 } },
    // The fake's workflows end with the process; the next run creates unfinished ones again.
    lost: { policy: 'resend', graceMs: 1_000 },
  },
  plan({ items, root }) {
    if (root !== undefined) throw new CommandError('INVALID', '--root has no effect with --argo')
    return { items: items ?? DEFAULT_ITEMS }
  },
  items: async ({ items }) => Array.from({ length: items }, (_, index) => itemOf(index)),
  openWorker,
  planText: ({ items }) => plural(items, 'workflow'),
  beginText: (_, total) => `Running ${plural(total, 'workflow')} on a fake Argo Server in this process`,
  facts: () => ({ text: '', json: {} }),
}

/** One in fifty fails permanently, one in fifty loses its pod once; the others take 0.5 to 1.5 s. */
function itemOf(index: number): NewItem {
  const seconds = Math.round(500 + 1_000 * ((index * 0.618) % 1)) / 1_000
  const mode = new Map([
    [17, 'fail'],
    [34, 'error'],
  ]).get(index % 50)
  const id = `tile-${String(index).padStart(5, '0')}`
  return { id, body: mode === undefined ? { seconds } : { seconds, mode } }
}

async function openWorker({ name, cwd }: DemoWorkerOptions): Promise<DemoWorker> {
  const { outcomeByParameters, startArgoServer } = await loadArgoFake(cwd)
  const outcome: OutcomeRule = (workflow, run) => {
    const isAgain = workflow.metadata.labels[ATTEMPT_LABEL] !== '1'
    const parameters = isAgain ? { ...run.parameters, mode: 'succeed' } : run.parameters
    return outcomeByParameters(workflow, { ...run, parameters })
  }
  const server = await startArgoServer({ controller: { outcome }, maxLogged: 0 })
  try {
    const { url: baseUrl, namespace, token } = server
    const parameters = { item: '@id', seconds: '$.seconds', mode: '$.mode' }
    const settings = { package: 'argo', name, baseUrl, namespace, token, template: TEMPLATE, parameters }
    const worker = await openWorkerPackage(settings, { baseDirs: [cwd] })
    const close = async () => {
      await worker.close()
      await server.close()
    }
    return { worker, facts: () => factsOf(server), close }
  } catch (error) {
    await server.close()
    throw error
  }
}

/** The facts by the server's own count. */
function factsOf({ workflows }: ArgoServer): DemoFacts {
  const { size: made, maxUnfinished } = workflows
  const text = `The server received ${plural(made, 'workflow')}, at most ${maxUnfinished} unfinished at once.`
  return { text, json: { workflows: made, mostUnfinished: maxUnfinished } }
}
