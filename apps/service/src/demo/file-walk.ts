import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { MAX_ID_BYTES, utf8Bytes } from '@sluice/core'

/** Not sources: what tools put there, and the demo's own files. */
const SKIPPED = new Set(['.git', '.sluice', '.turbo', 'coverage', 'dist'])
const LATER = 'node_modules'

/**
 * The first regular files below a directory, as paths relative to it with forward slashes: the sources, then what is in
 * `node_modules`. The same tree gives the same list. Links are not followed; a directory that can't be read is passed over.
 *
 * @param count at most so many
 */
export async function findFiles(root: string, count: number): Promise<string[]> {
  const found: string[] = []
  const later: string[] = []
  await walk(root, { dir: '', count, found, later })
  for (const dir of later) await walk(root, { dir, count, found })
  return found
}

interface Walk {
  readonly dir: string
  readonly count: number
  readonly found: string[]
  /** Takes the directories that are for later; absent when it is later. */
  readonly later?: string[]
}

async function walk(root: string, at: Walk): Promise<void> {
  if (at.found.length >= at.count) return
  // A folder that may not be read has no files for a demo.
  const entries = await readdir(join(root, at.dir), { withFileTypes: true }).catch(() => [])
  // By code units: no locale, so the same everywhere.
  const sorted = entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  for (const { name } of sorted.filter((entry) => entry.isFile())) {
    const path = at.dir === '' ? name : `${at.dir}/${name}`
    if (at.found.length < at.count && isSayable(path)) at.found.push(path)
  }
  for (const { name } of sorted.filter((entry) => entry.isDirectory())) {
    const dir = at.dir === '' ? name : `${at.dir}/${name}`
    if (SKIPPED.has(name)) continue
    if (name === LATER && at.later !== undefined) at.later.push(dir)
    else await walk(root, { ...at, dir })
  }
}

/** A name that isn't UTF-8 arrives with a replacement character, and would not be found again. */
function isSayable(path: string): boolean {
  return !path.includes('\u{FFFD}') && path.isWellFormed() && utf8Bytes(path) <= MAX_ID_BYTES
}
