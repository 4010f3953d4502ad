import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import { isSystemError } from '../process-errors.js'

/** Where a program is searched for. */
export interface ProgramSearch {
  readonly cwd: string
  readonly path: string
}

/**
 * The full path of a program, found as a shell would: a name with a slash from `cwd`, any other one along
 * `path`.
 *
 * @returns `undefined` when it is nowhere, or nowhere executable
 */
export async function findProgram(name: string, search: ProgramSearch): Promise<string | undefined> {
  const folders = name.includes('/') ? [search.cwd] : search.path.split(delimiter)
  for (const folder of folders) {
    const file = name.includes('/') ? resolve(folder, name) : join(resolve(search.cwd, folder), name)
    if (await isExecutable(file)) return file
  }
  return undefined
}

/** Whether there is a file that this user may run. */
export async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK)
    return (await stat(file)).isFile()
  } catch (error) {
    if (isSystemError(error)) return false
    throw error
  }
}
