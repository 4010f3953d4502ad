import { statfs } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Logger } from '@sluice/core'

/**
 * Linux file systems that several machines share, or that are implemented by a program with unknown locking,
 * by their `statfs` type.
 * @see https://github.com/torvalds/linux/blob/master/include/uapi/linux/magic.h
 */
const NETWORK_TYPES: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xfe534d42, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0x01021997, '9p'],
  [0x65735546, 'FUSE, as sshfs, s3fs and GlusterFS are'],
  [0x0bd00bd0, 'Lustre'],
  [0x00c36400, 'CephFS'],
  [0x47504653, 'GPFS'],
  [0x19830326, 'BeeGFS'],
  [0x01161970, 'GFS2'],
  [0x7461636f, 'OCFS2'],
  [0xaad7aaea, 'PanFS'],
  [0x5346414f, 'AFS'],
  [0x6b414653, 'AFS'],
  [0x73757245, 'Coda'],
  [0x786f4256, 'a shared folder of VirtualBox'],
  [0xbacbacbc, 'a shared folder of VMware'],
])

/** The file system of a path. `unknown`: this platform has no reliable types of file systems. */
export type FileSystem =
  | { readonly is: 'local' }
  | { readonly is: 'unknown' }
  | { readonly is: 'network'; readonly name: string }

/** How file systems are read; tests replace it. */
export interface FileSystemFacts {
  readonly platform: NodeJS.Platform
  readonly typeOf: (path: string) => Promise<number>
}

const SYSTEM: FileSystemFacts = {
  platform: process.platform,
  typeOf: async (path) => (await statfs(path)).type,
}

/**
 * The file system of a path, or of its nearest existing ancestor.
 *
 * @returns `unknown` on platforms other than Linux, and if it cannot be read
 */
export async function fileSystemOf(path: string, facts = SYSTEM): Promise<FileSystem> {
  if (facts.platform !== 'linux') return { is: 'unknown' }
  for (let at = resolve(path); ; at = dirname(at)) {
    try {
      // A C `long`: on 32 bits large numbers are negative.
      const name = NETWORK_TYPES.get((await facts.typeOf(at)) >>> 0)
      return name === undefined ? { is: 'local' } : { is: 'network', name }
    } catch (error) {
      // Opening the file fails with an error that says more.
      if (!isAbsent(error) || at === dirname(at)) return { is: 'unknown' }
    }
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

/**
 * Warns of a SQLite file that is not on a local disk: SQLite's locks and the index of its log work on one
 * machine only.
 */
export async function reportFileSystem(path: string, logger: Logger, facts = SYSTEM): Promise<void> {
  const found = await fileSystemOf(path, facts)
  if (found.is === 'local') return
  const file = `The SQLite file ${resolve(path)}`
  if (found.is === 'unknown') {
    logger.info({}, `${file} must be on a local disk; on this platform that cannot be checked`)
    return
  }
  logger.warn(
    {},
    `${file} is on a network file system (${found.name}), where SQLite's locks are not reliable: with two processes, or after a lost ` +
      'connection, items can be claimed twice or the file be damaged. Move it to a local disk; for several machines use PostgreSQL or S3',
  )
}
