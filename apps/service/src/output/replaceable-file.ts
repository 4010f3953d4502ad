import { fstat } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { SluiceError } from '@sluice/core'

const STANDARD_INPUT = '-'
const SQLITE_HEAD = Buffer.from('SQLite format 3\0')
/** The first bytes of SQLite's write-ahead log, in both byte orders. */
const WAL_HEADS = [Buffer.from([0x37, 0x7f, 0x06, 0x82]), Buffer.from([0x37, 0x7f, 0x06, 0x83])]

/**
 * Refuses to overwrite a file that is needed: an input of the command, the configuration, or a SQLite
 * database, which may be the queue.
 *
 * @param what the new content, such as `the report`
 * @param kept files to keep, `-` for standard input
 * @throws SluiceError SLUICE_INPUT_INVALID
 */
export async function assertReplaceable(path: string, what: string, kept: readonly string[]): Promise<void> {
  const found = await identityOf(path)
  // A missing file can be written; for any other error, opening it throws the reason.
  if (found === undefined) return
  for (const file of kept) {
    const other = await identityOf(file)
    if (other?.ino !== found.ino || other.dev !== found.dev) continue
    throw refused(path, what, 'this command reads that file')
  }
  if (await isOfSqlite(path)) throw refused(path, what, 'it is a SQLite database, or belongs to one')
}

interface Identity {
  readonly dev: bigint
  readonly ino: bigint
}

/** The identity of a regular file; a pipe or a device has no content to lose. */
async function identityOf(path: string): Promise<Identity | undefined> {
  const reading =
    path === STANDARD_INPUT ? promisify(fstat)(0, { bigint: true }) : stat(path, { bigint: true })
  // The caller handles a missing file.
  const found = await reading.catch(() => undefined)
  return found?.isFile() === true ? found : undefined
}

async function isOfSqlite(path: string): Promise<boolean> {
  const head = await headOf(path)
  if (head.equals(SQLITE_HEAD) || WAL_HEADS.some((wal) => head.subarray(0, 4).equals(wal))) return true
  const base = /^(.+)-(?:wal|shm|journal)$/su.exec(path)?.[1]
  return base !== undefined && (await headOf(base)).equals(SQLITE_HEAD)
}

async function headOf(path: string): Promise<Buffer> {
  // A missing or unreadable file is not known to be a database.
  const file = await open(path).catch(() => undefined)
  if (file === undefined) return Buffer.alloc(0)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(SQLITE_HEAD.length), 0, SQLITE_HEAD.length, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

function refused(path: string, what: string, why: string): SluiceError {
  return new SluiceError(
    'SLUICE_INPUT_INVALID',
    `Did not write ${what} to ${path}: ${why}. Name another file.`,
  )
}
