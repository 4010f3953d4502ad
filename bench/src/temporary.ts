import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folders = new Set<string>()

/**
 * A folder that goes when this process ends, by an interrupt or an error too: ten million items must not stay
 * on the disk.
 */
export function temporaryFolder(name: string): string {
  watchTheEnd()
  const folder = mkdtempSync(join(tmpdir(), `sluice-${name}-`))
  folders.add(folder)
  return folder
}

/** Takes a folder away now. */
export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  folders.delete(folder)
}

let isWatching = false

function watchTheEnd(): void {
  if (isWatching) return
  isWatching = true
  process.once('exit', () => {
    for (const folder of folders) removeFolder(folder)
  })
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.once(signal, () => process.exit(code))
  }
}
