import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Makes a folder, and those above it that are not there. One after the other: where a file system lets nobody make one, such as `/proc`, `recursive` of
 * Node tries for ever.
 *
 * @throws what the system says
 */
export async function makeFolder(path: string): Promise<void> {
  if (await isFolder(path)) return
  await makeFolder(dirname(path))
  try {
    await mkdir(path)
  } catch (error) {
    // Another process that starts at the same time may have made it.
    if (!(await isFolder(path))) throw error
  }
}

async function isFolder(path: string): Promise<boolean> {
  // What else is there, or why it can't be looked at, making it says.
  const found = await stat(path).catch(() => undefined)
  return found?.isDirectory() === true || dirname(path) === path
}
