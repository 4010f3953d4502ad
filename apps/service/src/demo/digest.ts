// The demo's command: prints the SHA-256 and the size of one file as JSON. It starts once per item, so it has
// few imports.
import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'

const path = process.argv[2] ?? ''
try {
  process.stdout.write(`${JSON.stringify(digest(path))}\n`)
} catch (error) {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
  process.stderr.write(`can't read ${path}: ${code}\n`)
  process.exitCode = 1
}

function digest(path: string): { sha256: string; size: number } {
  const hash = createHash('sha256')
  const buffer = Buffer.allocUnsafe(1024 * 1024)
  const file = openSync(path, 'r')
  let size = 0
  try {
    for (;;) {
      const bytes = readSync(file, buffer)
      if (bytes === 0) break
      hash.update(buffer.subarray(0, bytes))
      size += bytes
    }
  } finally {
    closeSync(file)
  }
  return { sha256: hash.digest('hex'), size }
}
