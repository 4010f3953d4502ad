import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const INODES = 150
const BYTES = 2_097_152

/**
 * A file system with room for so few files and bytes that a test can fill it. To mount one takes root, on
 * Linux.
 */
export class SmallDisk {
  readonly #dir: string
  readonly #full: string
  #files: string[] = []

  constructor(dir: string) {
    this.#dir = dir
    this.#full = join(dir, 'full')
    mkdirSync(dir, { recursive: true })
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${BYTES},nr_inodes=${INODES}`, 'tmpfs', dir], {
      stdio: 'pipe',
    })
    mkdirSync(this.#full)
  }

  /** Takes all inodes but so many. */
  fillInodes(leave = 0): void {
    while (this.#wrote('')) continue
    for (const file of this.#files.splice(this.#files.length - leave)) rmSync(file)
  }

  /** Takes all bytes but so many blocks of 4,096. */
  fillBytes(leave = 0): void {
    while (this.#wrote('x'.repeat(4_096))) continue
    for (const file of this.#files.splice(this.#files.length - leave)) rmSync(file)
  }

  makeRoom(): void {
    for (const file of this.#files.splice(0)) rmSync(file)
  }

  unmount(): void {
    // A process that was killed may not be gone from it yet.
    execFileSync('umount', ['--lazy', this.#dir])
  }

  #wrote(text: string): boolean {
    const file = join(this.#full, String(this.#files.length))
    try {
      writeFileSync(file, text)
      this.#files.push(file)
      return true
    } catch {
      // No room for it whole.
      rmSync(file, { force: true })
      return false
    }
  }
}

/** Why no small disk can be made here, or `undefined`. */
export function lacksSmallDisk(): string | undefined {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-disk-'))
  try {
    new SmallDisk(dir).unmount()
    return undefined
  } catch {
    return 'a disk can be mounted by root on Linux only'
  } finally {
    rmSync(dir, { recursive: true })
  }
}
