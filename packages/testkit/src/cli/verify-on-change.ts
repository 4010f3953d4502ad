import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { systemRuntime } from '@sluice/core/backend'
import type { CliContext } from './main.js'

/** Programs; a store that writes its data beside the module starts no run. */
const SOURCE = /\.[cm]?[jt]s$/u
/** An editor writes a file in several steps. */
const QUIET_MS = 100

/**
 * Runs `verify` in a process of its own, as a module is loaded once in each, and again after each change of a
 * program in the folder of the module. It ends by a signal.
 */
export async function verifyOnChange(
  module: string,
  args: readonly string[],
  { cwd, print }: CliContext,
): Promise<void> {
  const stopping = new AbortController()
  let changed = Promise.withResolvers<string | undefined>()
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => {
      stopping.abort()
      changed.resolve(undefined)
    })
  const watcher = watch(dirname(resolve(cwd, module)), (_, file) => {
    if (file !== null && SOURCE.test(file)) changed.resolve(file)
  })
  while (!stopping.signal.aborted) {
    changed = Promise.withResolvers()
    const child = start(args, cwd)
    const file = await changed.promise
    await stop(child)
    if (file === undefined) break
    await systemRuntime.sleep(QUIET_MS, stopping.signal)
    print(`\n${file} changed`)
  }
  watcher.close()
}

function start(args: readonly string[], cwd: string): ChildProcess {
  const [, program = ''] = process.argv
  return spawn(process.execPath, [program, ...args], { cwd, stdio: 'inherit' })
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, 'close')
  child.kill()
  await closed
}
