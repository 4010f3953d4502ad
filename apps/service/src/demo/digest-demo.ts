import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MAX_ID_BYTES } from '@sluice/core'
import { utf8Bytes } from '@sluice/core/backend'
import prettyBytes from 'pretty-bytes'
import { CommandError } from '../cli/command-error.js'
import { openWorkerPackage } from '../packages/open-package.js'
import { plural } from '../output/amounts.js'
import type { DemoKind, DemoPlan } from './demo-kind.js'

const DEFAULT_ITEMS = 1_000
const NO_FACTS = { text: '', json: {} }

/** The digests of real files, with a local process for each. */
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
    const fewer = total < plan.items ? ' (there are no more)' : ''
    return `Digesting ${plural(total, 'file')}${fewer} of ${rootOf(plan)}`
  },
  facts: ({ bytes }) => ({ text: `${prettyBytes(bytes)} digested.`, json: { bytes } }),
}

function rootOf({ root = '.' }: DemoPlan): string {
  return root
}

/**
 * The demo's command: prints the SHA-256 and the size of one file as JSON. It uses the machine's own tool,
 * which starts in 1 ms where Node takes 100 ms, for a thousand items; without such a tool, a small Node
 * program. The path is an argument and never part of the script.
 */
const SCRIPT = `
[ -e "$1" ] || {
  printf "can't read %s: ENOENT\\n" "$1" >&2
  exit 1
}
if command -v sha256sum > /dev/null; then
  sum=$(sha256sum < "$1") || exit
elif command -v shasum > /dev/null; then
  sum=$(shasum -a 256 < "$1") || exit
else
  exec "$2" "$3" "$1"
fi
size=$(wc -c < "$1") || exit
printf '{"sha256":"%s","size":%d}\\n' "\${sum%% *}" "$size"
`

/** The command for worker-process: the file's path is the item's `body.path`. */
export function digestCommand(): string[] {
  // Beside the built command line.
  const digest = fileURLToPath(new URL('./digest.cjs', import.meta.url))
  const literals = [SCRIPT, 'sluice-digest', process.execPath, digest].map(escaped)
  const [script = '', name = '', node = '', program = ''] = literals
  return ['/bin/sh', '-c', script, name, '{body.path}', node, program]
}

/** Escapes literal braces. */
function escaped(text: string): string {
  return text.replaceAll('{', '{{').replaceAll('}', '}}')
}

/** Not sources: files of tools, and of the demo. */
const SKIPPED = new Set(['.git', '.sluice', '.turbo', 'coverage', 'dist'])
const LATER = 'node_modules'

/**
 * The first regular files below a directory, as relative paths with forward slashes: the sources, then
 * `node_modules`. The order is deterministic. Links are not followed; unreadable directories are skipped.
 *
 * @param count the most files
 */
export async function findFiles(root: string, count: number): Promise<string[]> {
  const found: string[] = []
  const later: string[] = []
  await walk(root, { dir: '', count, found, later })
  for (const dir of later) await walk(root, { dir, count, found })
  return found
}

interface Walk {
  readonly dir: string
  readonly count: number
  readonly found: string[]
  /** Collects the directories for later; absent in the second pass. */
  readonly later?: string[]
}

async function walk(root: string, at: Walk): Promise<void> {
  if (at.found.length >= at.count) return
  // An unreadable folder has no files for a demo.
  const entries = await readdir(join(root, at.dir), { withFileTypes: true }).catch(() => [])
  // By code units, independent of the locale.
  const sorted = entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  for (const { name } of sorted.filter((entry) => entry.isFile())) {
    const path = at.dir === '' ? name : `${at.dir}/${name}`
    if (at.found.length < at.count && isUsable(path)) at.found.push(path)
  }
  for (const { name } of sorted.filter((entry) => entry.isDirectory())) {
    const dir = at.dir === '' ? name : `${at.dir}/${name}`
    if (SKIPPED.has(name)) continue
    if (name === LATER && at.later !== undefined) at.later.push(dir)
    else await walk(root, { ...at, dir })
  }
}

/** A name that is not UTF-8 has a replacement character, and can't be opened. */
function isUsable(path: string): boolean {
  return !path.includes('\u{FFFD}') && path.isWellFormed() && utf8Bytes(path) <= MAX_ID_BYTES
}
