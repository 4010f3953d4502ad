import { open, stat, type FileHandle } from 'node:fs/promises'
import { hostname } from 'node:os'
import { SluiceError, type JobRef, type Runtime } from '@sluice/core'
import type { CheckedReadLog } from '@sluice/core/backend'
import type { JobPlace, Layout } from '../disk/layout.js'
import { absentAsUndefined, hasRecord, readRecord } from '../disk/record.js'
import type { ProcessWorkerSettings } from '../options.js'
import type { ProcessTable } from '../processes/process-table.js'
import { judgeJob, readClaim } from './claim.js'
import { hadWrittenNothing } from './ending.js'
import { readJobFile } from './job-file.js'

const CHUNK_BYTES = 65_536
/** How often files that grow are read, in ms: not every file system reports that. */
const READ_AGAIN_MS = 100

/** A job whose log is read. */
interface LoggedJob {
  readonly job: JobRef
  readonly place: JobPlace
}

/** What a log is read with. */
interface LogParts {
  readonly layout: Layout
  readonly settings: Pick<ProcessWorkerSettings, 'keepOutputs'>
  readonly bootId: string
  readonly table: Pick<ProcessTable, 'starts'>
  readonly runtime: Pick<Runtime, 'sleep'>
  /** Runs what reads the disk, its errors those of the worker. */
  readonly onDisk: <T>(act: () => Promise<T>) => Promise<T>
}

/**
 * What the supervisor keeps of a job's output: all of stdout, then all of stderr, since nothing tells how the
 * two were interleaved; with `follow` each as it grows. It only reads: a job is neither started nor ended by
 * it.
 */
export async function* readJobLog(
  logged: LoggedJob,
  { signal, tailBytes, follow }: CheckedReadLog,
  parts: LogParts,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { onDisk, runtime } = parts
  const streams = await onDisk(() => openStreams(logged, parts))
  try {
    skipTo(streams, tailBytes)
    while (!signal.aborted) {
      // Whether it is over is read before the files: what it wrote last is in them by then.
      const isLast = !follow || (await onDisk(() => isOver(logged.place, parts)))
      if (follow) for (const stream of streams) await onDisk(() => stream.measure())
      for (const stream of streams) yield* readStream(stream, parts)
      if (isLast) return
      await runtime.sleep(READ_AGAIN_MS, signal)
    }
  } finally {
    for (const stream of streams) await stream.close()
  }
}

async function* readStream(stream: OutputStream, { onDisk }: LogParts): AsyncGenerator<Uint8Array> {
  for (;;) {
    const chunk = await onDisk(() => stream.next())
    if (chunk === undefined) return
    yield chunk
  }
}

/**
 * One of the two files. It stays open, so that a log that is read is not cut short where its files are
 * removed meanwhile.
 */
class OutputStream {
  readonly #file: FileHandle
  #at = 0
  #end = 0

  private constructor(file: FileHandle) {
    this.#file = file
  }

  static async open(path: string): Promise<OutputStream | undefined> {
    const file = await absentAsUndefined(() => open(path, 'r'))
    if (file === undefined) return undefined
    const stream = new OutputStream(file)
    await stream.measure()
    return stream
  }

  /** How many bytes of it were not read. */
  get left(): number {
    return this.#end - this.#at
  }

  /** From now on it is read up to where it ends now. */
  async measure(): Promise<void> {
    this.#end = Math.max(this.#at, (await this.#file.stat()).size)
  }

  skip(bytes: number): void {
    this.#at += Math.min(bytes, this.left)
  }

  async next(): Promise<Uint8Array | undefined> {
    const length = Math.min(CHUNK_BYTES, this.left)
    if (length === 0) return undefined
    const { bytesRead, buffer } = await this.#file.read(new Uint8Array(length), 0, length, this.#at)
    this.#at += bytesRead
    // Something has cut the file.
    if (bytesRead === 0) return undefined
    return buffer.subarray(0, bytesRead)
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

async function openStreams(logged: LoggedJob, parts: LogParts): Promise<OutputStream[]> {
  const opened: OutputStream[] = []
  try {
    for (const path of [logged.place.stdout, logged.place.stderr]) {
      const stream = await OutputStream.open(path)
      if (stream !== undefined) opened.push(stream)
    }
    if (opened.length === 0 && !(await wroteNothing(logged.place))) throw await noLog(logged, parts)
    return opened
  } catch (error) {
    for (const stream of opened) await stream.close()
    throw error
  }
}

/** Of a job that has written nothing no files are kept. */
async function wroteNothing(place: JobPlace): Promise<boolean> {
  if (await hasRecord(place.exit)) return true
  const gone = await readRecord(place.gone)
  return gone !== undefined && hadWrittenNothing(gone)
}

function skipTo(streams: readonly OutputStream[], tailBytes: number | undefined): void {
  if (tailBytes === undefined) return
  const all = streams.reduce((sum, { left }) => sum + left, 0)
  let over = Math.max(0, all - tailBytes)
  for (const stream of streams) {
    const { left } = stream
    stream.skip(over)
    over = Math.max(0, over - left)
  }
}

/**
 * Whether nothing more will be written. A job that no process has claimed, or that waits to be started again,
 * will write.
 */
async function isOver(place: JobPlace, { bootId, table }: LogParts): Promise<boolean> {
  if (await isRecordedEnd(place)) return true
  const file = await readJobFile(place)
  if (file === undefined || file === 'damaged') return true
  const claim = await readClaim(place)
  const starts = await table.starts(claim === undefined ? [] : [claim.pid])
  const sameBoot = file.bootId === bootId
  const state = judgeJob({ ended: false, claim, sameBoot, startOfPid: starts.get(claim?.pid ?? 0) })
  return state !== 'running' && state !== 'unstarted'
}

async function isRecordedEnd(place: JobPlace): Promise<boolean> {
  for (const record of [place.ended, place.exit, place.gone]) if (await hasRecord(record)) return true
  return false
}

async function noLog({ job, place }: LoggedJob, { layout, settings }: LogParts): Promise<SluiceError> {
  // Where the folders themselves are gone, as after an unmount, nothing is known of the job: it rejects.
  await stat(layout.active)
  const what = `item ${JSON.stringify(job.id)}, attempt ${job.attempt}`
  const why = (await isRecordedEnd(place))
    ? `its outputs were removed from ${place.home} (keepOutputs: ${settings.keepOutputs})`
    : `this machine, ${hostname()}, has no such job under ${layout.root}. A log is kept where its job ran: read it on that machine, with the same worker.dir`
  return new SluiceError('SLUICE_ITEM_NOT_FOUND', `There is no log of ${what}: ${why}.`, { itemId: job.id })
}
