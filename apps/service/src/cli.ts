#!/usr/bin/env node
// No static imports: an old Node must be able to parse this file and report that it is too old.
const oldest = [22, 13] as const
// The versions to install: an older one refuses a queue in SQLite.
const wanted = '22.22.3, 24.15, 25.9'
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
  process.stderr.write(
    `error: sluice needs Node.js ${wanted} or newer; this is ${process.versions.node}. In a clone, \`node scripts/sluice.mjs\` uses the clone’s own\n`,
  )
  process.exitCode = 2
} else {
  hideWarnings()
  void start(earlySignal())
}

/**
 * `run` stops gracefully from the start, even before its modules are loaded. Other commands end at a signal,
 * as any program does.
 */
function earlySignal(): AbortSignal | undefined {
  if (process.argv.slice(2).find((each) => !each.startsWith('-')) !== 'run') return undefined
  const early = new AbortController()
  // It stays until the process ends: two listeners for one signal are harmless.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(name, () => early.abort(name))
  return early.signal
}

/** Warnings of Node that a user of the program can't act on, by how they begin. */
const HIDDEN = [
  'SQLite is an experimental feature',
  'Type Stripping is an experimental feature',
  // Of a configuration in JavaScript or TypeScript.
  'Module type of ',
]

function hideWarnings(): void {
  const emit = process.emitWarning.bind(process)
  process.emitWarning = (warning: string | Error, ...rest: never[]) => {
    const text = typeof warning === 'string' ? warning : warning.message
    if (!HIDDEN.some((each) => text.startsWith(each))) emit(warning, ...rest)
  }
}

async function start(early: AbortSignal | undefined): Promise<void> {
  const { runCli } = await import('./cli/main.js')
  await runCli(early)
}
