import { resolve } from 'node:path'
import { baseDirOf, type PackageContext } from '@sluice/core'
import type { ProcessWorkerSettings } from './options.js'

/**
 * The settings with absolute paths. A service that is started from another folder must find the same jobs, and run the same command: a program such as
 * `./convert.sh` is that of the folder that the command starts in.
 */
export function withAbsolutePaths(
  settings: ProcessWorkerSettings,
  context: PackageContext,
): ProcessWorkerSettings & { readonly cwd: string } {
  const { dir, cwd } = settings
  const startDir = cwd === undefined ? baseDirOf(context, 'command') : baseDirOf(context, 'cwd')
  return {
    ...settings,
    dir: resolve(baseDirOf(context, 'dir') ?? '.', dir),
    cwd: resolve(startDir ?? '.', cwd ?? '.'),
  }
}
