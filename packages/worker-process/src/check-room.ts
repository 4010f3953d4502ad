import { dirname } from 'node:path'
import type { PackageContext, RoomNeed } from '@sluice/core'
import { checkOptions, systemRuntime } from '@sluice/core/backend'
import { Layout } from './disk/layout.js'
import {
  optionsSchema,
  withAbsolutePaths,
  type ProcessWorkerOptions,
  type ProcessWorkerSettings,
} from './options.js'
import { isSystemError } from './process-errors.js'
import { freeRoom, freeText, type FreeRoom } from './disk/room.js'

/**
 * The folder, `output`, `job.json`, `stdout`, `stderr`, `claim` and `exit`: what stays at most of a job whose
 * outputs are kept. Of one that succeeds and writes nothing a record stays.
 */
const KEPT_INODES = 7
/** Of these, two folders and a file have a block; what the command writes comes on top. */
const KEPT_BLOCKS = 3

/**
 * Compares what stays on the disk of this many items with what is free there: see `keepOutputs`. What the
 * commands write is not known and not counted; with `failed` it is assumed that none fails.
 *
 * @param options as of `openWorker`
 * @returns what there is too little of, and what can be done; `undefined` where there is enough, or that is
 * not known
 * @throws SluiceError SLUICE_CONFIG_INVALID for wrong options
 */
export async function checkRoom(
  options: ProcessWorkerOptions,
  { items }: RoomNeed,
  context: PackageContext = {},
): Promise<string | undefined> {
  const checked = await checkOptions(optionsSchema, options, '@sluice/worker-process')
  const settings = withAbsolutePaths(checked, context)
  const { dir, name: queue, runtime = systemRuntime } = settings
  const { root } = new Layout({ dir, queue, runtime })
  const free = await freeAbove(root)
  // It can't be a folder, or can't be read: the worker says so when it is opened.
  if (free === undefined) return undefined
  const each = keptOf(settings, free)
  const need = { inodes: each.inodes * items, bytes: each.bytes * items }
  if (need.bytes <= free.bytes && (free.inodes === undefined || need.inodes <= free.inodes)) return undefined
  return (
    `${items} items need ${need.inodes} inodes and ${need.bytes} bytes under ${root} ` +
    `(${each.inodes} and ${each.bytes} each with keepOutputs: ${settings.keepOutputs}, beside what their commands write), ` +
    `and ${freeText(free)}. Make room there${settings.keepOutputs === 'all' ? ', or set keepOutputs to none or failed' : ''}.`
  )
}

function keptOf(
  { keepOutputs }: ProcessWorkerSettings,
  { blockBytes }: FreeRoom,
): { inodes: number; bytes: number } {
  // Otherwise a record in place of the job, so that it never runs again.
  return keepOutputs === 'all'
    ? { inodes: KEPT_INODES, bytes: KEPT_BLOCKS * blockBytes }
    : { inodes: 1, bytes: 0 }
}

/** What is free at the first folder above it that is there. */
async function freeAbove(folder: string): Promise<FreeRoom | undefined> {
  try {
    return await freeRoom(folder)
  } catch (error) {
    if (!isSystemError(error)) throw error
    return error.code === 'ENOENT' && dirname(folder) !== folder ? freeAbove(dirname(folder)) : undefined
  }
}
