import { existsSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { shellWord } from '../output/output.js'

/** In a clone, where this file is bundled into apps/service/dist. */
const CLONE_SCRIPT = fileURLToPath(new URL('../../../scripts/sluice.mjs', import.meta.url))

/** Whether this is an installed package, and not a clone of the repository. */
export const IS_INSTALLED = import.meta.url.includes('/node_modules/') || !existsSync(CLONE_SCRIPT)

/**
 * The command line that runs `sluice` with these arguments in a directory: `npx sluice …`, in a clone its
 * script.
 */
export function sluiceCommand(args: string, cwd: string): string {
  if (IS_INSTALLED) return `npx sluice ${args}`
  const path = relative(cwd, CLONE_SCRIPT)
  return `node ${shellWord(path.startsWith('..') ? CLONE_SCRIPT : path)} ${args}`
}
