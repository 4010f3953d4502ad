import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Creates a folder and its missing parents, one by one: where the file system refuses folders, as `/proc`
 * does, Node's `recursive` retries forever.
 *
 * @throws the error of the system
 */
export async function makeFolder(path: string): Promise<void> {
  if (await isFolder(path)) return
  await makeFolder(dirname(path))
  try {
    await mkdir(path)
  } catch (error) {
    // Another process may have created it meanwhile.
    if (!(await isFolder(path))) throw error
  }
}

async function isFolder(path: string): Promise<boolean> {
  // For anything else `mkdir` throws the reason.
  const found = await stat(path).catch(() => undefined)
  return found?.isDirectory() === true || dirname(path) === path
}
