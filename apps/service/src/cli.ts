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
  hideSqliteWarning()
  cacheCompiledCode()
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

/**
 * Hides the warning of Node 22 that its SQLite is experimental, which a user can't act on. Other warnings
 * stay.
 */
function hideSqliteWarning(): void {
  const emit = process.emitWarning.bind(process)
  process.emitWarning = (warning: string | Error, ...rest: never[]) => {
    const text = typeof warning === 'string' ? warning : warning.message
    if (!text.startsWith('SQLite is an experimental feature')) emit(warning, ...rest)
  }
}

/**
 * Keeps the compiled code of this user's commands, which halves the time of the next one. Only in a folder of
 * the user's own: whoever can write there decides what runs. `NODE_COMPILE_CACHE` names another one, and
 * `NODE_DISABLE_COMPILE_CACHE=1` turns it off. Without a home, or with one that is read-only, there is none.
 */
function cacheCompiledCode(): void {
  const { enableCompileCache } = process.getBuiltinModule('node:module')
  try {
    const folder = cacheFolder()
    if (folder !== undefined) enableCompileCache(folder)
  } catch {
    // It only saves time: a user without an entry in the password file, say, has no home.
  }
}

/** @see https://specifications.freedesktop.org/basedir-spec/latest/ */
function cacheFolder(): string | undefined {
  const { mkdirSync, statSync } = process.getBuiltinModule('node:fs')
  const { join } = process.getBuiltinModule('node:path')
  const { env, platform } = process
  const home = process.getBuiltinModule('node:os').homedir()
  // Another user's home, as with `sudo -E`: what is cached there would run as this user.
  if (process.getuid !== undefined && statSync(home).uid !== process.getuid()) return undefined
  const system = { darwin: join(home, 'Library/Caches'), win32: env['LOCALAPPDATA'] }
  const caches = platform === 'darwin' || platform === 'win32' ? system[platform] : env['XDG_CACHE_HOME']
  const folder = join(caches || join(home, '.cache'), 'sluice', 'compile-cache')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}

async function start(early: AbortSignal | undefined): Promise<void> {
  const { runCli } = await import('./cli/main.js')
  await runCli(early)
}
