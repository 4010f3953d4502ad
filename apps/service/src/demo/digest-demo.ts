import prettyBytes from 'pretty-bytes'
import { CommandError } from '../cli/command-error.js'
import { openWorkerPackage } from '../packages/open-package.js'
import { plural } from '../output/amounts.js'
import { digestCommand } from './digest-command.js'
import type { DemoKind, DemoPlan } from './demo-kind.js'
import { findFiles } from './file-walk.js'

const DEFAULT_ITEMS = 1_000
const NO_FACTS = { text: '', json: {} }

/** The digests of real files, by a local process for each. */
export const digestDemo: DemoKind = {
  folder: 'demo',
  noun: 'file',
  flags: [],
  limit: 8,
  columns: ['stage', 'attempt', 'result.sha256', 'result.size', 'durationMs', 'finishedAt', 'reason'],
  settings: {},
  plan: ({ items, root, cwd }) => ({ root: root ?? cwd, items: items ?? DEFAULT_ITEMS }),
  async items(plan) {
    const files = await findFiles(rootOf(plan), plan.items)
    if (files.length === 0) throw new CommandError('INVALID', `There are no files below ${rootOf(plan)}`)
    return files.map((path) => ({ id: path, body: { path } }))
  },
  async openWorker({ name, plan, place, cwd }) {
    const command = digestCommand()
    const settings = {
      package: 'process',
      name,
      command,
      dir: place.jobs,
      cwd: rootOf(plan),
      stdin: 'none',
    }
    const worker = await openWorkerPackage(settings, { baseDirs: [cwd] })
    return { worker, facts: () => NO_FACTS, close: () => worker.close() }
  },
  planText: (plan) => `${plural(plan.items, 'file')} of ${rootOf(plan)}`,
  beginText(plan, total) {
    const fewer = total < plan.items ? ', all that there are' : ''
    return `Digesting ${plural(total, 'file')}${fewer} of ${rootOf(plan)}`
  },
  facts: ({ bytes }) => ({ text: `${prettyBytes(bytes)} digested.`, json: { bytes } }),
}

function rootOf({ root = '.' }: DemoPlan): string {
  return root
}
