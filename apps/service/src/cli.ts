#!/usr/bin/env node
// Nothing is imported statically here: an old Node must be able to read this file far enough to say that it is too old.
const oldest = [22, 13] as const
// What to install instead: with an older one a queue in SQLite is refused.
const wanted = '22.22.3, 24.15, 25.9'
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
  process.stderr.write(
    `error: sluice needs Node.js ${wanted} or newer; this is ${process.versions.node}. In a clone, \`node scripts/sluice.mjs\` takes the clone’s own\n`,
  )
  process.exitCode = 2
} else {
  hideSqliteWarning()
  void start(earlySignal())
}

/**
 * A service is stopped in good order from its first instant on, be it that most of it is not loaded yet. For other commands a signal is their end, as for
 * any program.
 */
function earlySignal(): AbortSignal | undefined {
  if (process.argv.slice(2).find((each) => !each.startsWith('-')) !== 'run') return undefined
  const early = new AbortController()
  // It stays until the end of the process: two listeners of one signal do no harm.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(name, () => early.abort(name))
  return early.signal
}

/** Node 22 calls its SQLite experimental each time. Users of a command line can do nothing about it; other warnings stay. */
function hideSqliteWarning(): void {
  const emit = process.emitWarning.bind(process)
  process.emitWarning = (warning: string | Error, ...rest: never[]) => {
    const text = typeof warning === 'string' ? warning : warning.message
    if (!text.startsWith('SQLite is an experimental feature')) emit(warning, ...rest)
  }
}

async function start(early: AbortSignal | undefined): Promise<void> {
  const { runCli } = await import('./cli/main.js')
  await runCli(early)
}
