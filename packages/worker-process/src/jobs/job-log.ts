import { open, stat, type FileHandle } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { SluiceError, assertCount, type JobRef, type ReadLogOptions } from '@sluice/core'
import { judgeJob, readClaim } from './claim.js'
import { readJobFile } from './job-file.js'
import type { JobPlace, Layout } from '../disk/layout.js'
import type { ProcessWorkerSettings } from '../options.js'
import type { ProcessTable } from '../processes/process-table.js'
import { absentAsUndefined, hasRecord } from '../disk/record.js'

const CHUNK_BYTES = 65_536
/** Files that grow tell nobody of it on every file system: they are read again after so many ms. */
const READ_AGAIN_MS = 100

/** What a log is read from. */
export interface LogParts {
  readonly job: JobRef
  readonly place: JobPlace
  readonly layout: Layout
  readonly settings: Pick<ProcessWorkerSettings, 'keepOutputs'>
  readonly bootId: string
  readonly table: Pick<ProcessTable, 'starts'>
  /** Ends the pauses. */
  readonly ends: AbortSignal
  /** @throws where the reading is to end: the worker was closed, or the caller's signal has aborted */
  readonly assertGoing: () => void
  /** Runs what reads the disk, its errors those of the worker. */
  readonly onDisk: <T>(act: () => Promise<T>) => Promise<T>
}

/**
 * What the supervisor keeps of a job's output: all of stdout, then all of stderr, since nothing tells how the two were interleaved; with `follow` each as
 * it grows. It only reads: a job is neither started nor ended by it.
 */
export async function* readJobLog(
  { tailBytes, follow = false }: Pick<ReadLogOptions, 'tailBytes' | 'follow'>,
  parts: LogParts,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (tailBytes !== undefined) assertCount(tailBytes, 'tailBytes')
  parts.assertGoing()
  const streams = await parts.onDisk(() => openStreams(parts))
  try {
    skipTo(streams, tailBytes)
    for (;;) {
      // Before the files are read: what it wrote last is in them by then.
      const isLast = !follow || (await parts.onDisk(() => isOver(parts)))
      if (follow) for (const stream of streams) await parts.onDisk(() => stream.measure())
      for (const stream of streams) yield* readStream(stream, parts)
      if (isLast) return
      await pause(parts.ends)
      parts.assertGoing()
    }
  } finally {
    for (const stream of streams) await stream.close()
  }
}

async function* readStream(stream: OutputStream, parts: LogParts): AsyncGenerator<Uint8Array> {
  for (;;) {
    const chunk = await parts.onDisk(() => stream.next())
    parts.assertGoing()
    if (chunk === undefined) return
    yield chunk
    parts.assertGoing()
  }
}

/** One of the two files. It stays open, so that a log that is read is not cut short where its files are removed meanwhile. */
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

  /** How much of it there is that was not read. */
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

async function openStreams(parts: LogParts): Promise<OutputStream[]> {
  const opened: OutputStream[] = []
  try {
    for (const path of [parts.place.stdout, parts.place.stderr]) {
      const stream = await OutputStream.open(path)
      if (stream !== undefined) opened.push(stream)
    }
    if (opened.length === 0) throw await noLog(parts)
    return opened
  } catch (error) {
    for (const stream of opened) await stream.close()
    throw error
  }
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

/** Whether nothing more will be written. A job that nobody has claimed yet, or that waits to be started again, will write. */
async function isOver({ place, bootId, table }: LogParts): Promise<boolean> {
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

async function noLog({ job, place, layout, settings }: LogParts): Promise<SluiceError> {
  // Where the folders themselves are gone, as after an unmount, nobody knows anything: it rejects.
  await stat(layout.active)
  const what = `item ${JSON.stringify(job.id)}, attempt ${job.attempt}`
  const why = (await isRecordedEnd(place))
    ? `its outputs were removed from ${place.home} (keepOutputs: ${settings.keepOutputs})`
    : `this machine, ${hostname()}, has no such job under ${layout.root}. A log is kept where its job ran: read it on that machine, with the same worker.dir`
  return new SluiceError('SLUICE_ITEM_NOT_FOUND', `There is no log of ${what}: ${why}.`, { itemId: job.id })
}

async function pause(ends: AbortSignal): Promise<void> {
  // It rejects when it is aborted, and whoever goes on asks why.
  await sleep(READ_AGAIN_MS, undefined, { signal: ends }).catch(() => undefined)
}
