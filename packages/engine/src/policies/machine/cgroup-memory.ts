import { posix } from 'node:path'

/** The files of one version of cgroups. */
interface CgroupFiles {
  readonly root: string
  /** Of a line of `/proc/self/cgroup`. */
  readonly path: RegExp
  readonly limit: string
  readonly usage: string
  readonly inactive: RegExp
}

const VERSIONS: readonly CgroupFiles[] = [
  {
    root: '/sys/fs/cgroup',
    path: /^0::(\/.*)$/mu,
    limit: 'memory.max',
    usage: 'memory.current',
    inactive: /^inactive_file (\d+)$/mu,
  },
  {
    root: '/sys/fs/cgroup/memory',
    path: /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(\/.*)$/mu,
    limit: 'memory.limit_in_bytes',
    usage: 'memory.usage_in_bytes',
    inactive: /^total_inactive_file (\d+)$/mu,
  },
]

/**
 * What is left of the memory limits of this process's cgroup and of those above it, in bytes; `Infinity`
 * without a limit. File pages that are not in use count as available, as in Kubernetes: the kernel takes them
 * back before it ends a process.
 *
 * @param read the text of a file, `undefined` where there is none
 * @see https://docs.kernel.org/admin-guide/cgroup-v2.html#memory
 */
export function cgroupBytes(read: (path: string) => string | undefined): number {
  const own = read('/proc/self/cgroup') ?? ''
  return Math.min(
    Number.POSITIVE_INFINITY,
    ...VERSIONS.flatMap((files) => {
      const path = files.path.exec(own)?.[1]
      return path === undefined ? [] : foldersUp(path).map((folder) => leftIn(files, folder, read))
    }),
  )
}

/** The limit of a parent holds too; in a container only a part of the path may be there. */
function foldersUp(path: string): string[] {
  return path === '/' ? ['/'] : [path, ...foldersUp(posix.dirname(path))]
}

function leftIn(
  { root, limit, usage, inactive }: CgroupFiles,
  folder: string,
  read: (path: string) => string | undefined,
): number {
  const textOf = (file: string): string => read(posix.join(root, folder, file)) ?? ''
  const max = numberIn(textOf(limit))
  const used = numberIn(textOf(usage))
  if (max === undefined || used === undefined) return Number.POSITIVE_INFINITY
  const reclaimable = Number(inactive.exec(textOf('memory.stat'))?.[1] ?? 0)
  return Math.max(0, max - Math.max(0, used - reclaimable))
}

/** `max`, and a file that is not there, is no limit. */
function numberIn(text: string): number | undefined {
  return /^\d+$/u.test(text.trim()) ? Number(text) : undefined
}
