import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Queue } from '@sluice/core'
import type * as Engine from '@sluice/engine'

/** This checkout. */
export const OWN_BUILD = join(import.meta.dirname, '../../../..')

/** How a queue is opened: by a package of the build that is measured. */
export interface QueueSetup {
  readonly build: string
  /** `queue-sql` or `queue-s3`. */
  readonly package: string
  readonly options: object
}

export async function openQueueOf({ build, package: name, options }: QueueSetup): Promise<Queue> {
  const loaded: { openQueue(options: object): Promise<Queue> } = await import(fileOf(build, name))
  return loaded.openQueue(options)
}

export async function engineOf(build: string): Promise<typeof Engine> {
  const loaded: typeof Engine = await import(fileOf(build, 'engine'))
  return loaded
}

function fileOf(build: string, name: string): string {
  return pathToFileURL(join(build, `packages/${name}/dist/index.js`)).href
}

/** The commit that the packages of a build come from, with a plus when there is more than it in the tree. */
export function commitOf(build: string): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, { cwd: build, encoding: 'utf8' }).trim()
    return `${git('log', '-1', '--format=%h', '--', 'packages')}${git('status', '--porcelain', '--', 'packages') === '' ? '' : '+'}`
  } catch {
    return 'unknown'
  }
}
