import { statfs } from 'node:fs/promises'
import type { Logger, Runtime } from '@sluice/core'
import type { Layout } from './layout.js'
import { isNoRoom } from '../process-errors.js'
import { removeIfThere, writeOnce } from './record.js'

/** Between two warnings while there is no room, in ms. */
const WARN_EVERY_MS = 60_000
/** With fewer free inodes or blocks than this a record is made on trial, to know for sure. */
const TIGHT = 64
/** With fewer free inodes or blocks than this, sends go one after the other. */
const SCARCE = 256
/**
 * What one job may need at once: its shard's folder, its own and `output`, `job.json`, `stdin`, `stdout`,
 * `stderr`, `claim`, `stopping`, `ended`, and what stays of it when it is archived. Its index entry is a
 * second link.
 */
const JOB_INODES = 12
/** Of these, three folders and four files have a block; what the command writes comes on top. */
const JOB_BLOCKS = 7

/** What is free on a disk. */
export interface FreeRoom {
  readonly bytes: number
  /** Absent on a file system that makes inodes as it needs them. */
  readonly inodes?: number
  readonly blockBytes: number
}

export interface RoomParts {
  readonly layout: Layout
  readonly runtime: Pick<Runtime, 'monotonicMs'>
  readonly logger?: Logger
}

/** What is free under a folder for this user. */
export async function freeRoom(folder: string): Promise<FreeRoom> {
  const { bavail, bsize, files, ffree } = await statfs(folder)
  return { bytes: bavail * bsize, blockBytes: bsize, ...(files > 0 ? { inodes: ffree } : {}) }
}

/** For how many jobs there is room, beside what their commands write. */
export function roomForJobs({ bytes, inodes = Number.POSITIVE_INFINITY, blockBytes }: FreeRoom): number {
  return Math.floor(Math.min(inodes / JOB_INODES, bytes / (JOB_BLOCKS * blockBytes)))
}

/** What one job needs, for messages. */
export function needText({ blockBytes }: FreeRoom): string {
  return `a job needs up to ${JOB_INODES} inodes and ${JOB_BLOCKS * blockBytes} bytes, beside what its command writes`
}

/** What is free, for messages that compare it with a need. */
export function freeText({ bytes, inodes }: FreeRoom): string {
  return `${inodes === undefined ? '' : `${inodes} inodes and `}${bytes} bytes are free`
}

/** What is free, to read. */
export function roughFreeText({ bytes, inodes }: FreeRoom): string {
  return `${bytesText(bytes)}${inodes === undefined ? '' : ` and ${countText(inodes)} inodes`} are free`
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']

/** `77 GiB`, rounded down. */
function bytesText(bytes: number): string {
  let unit = 0
  let amount = bytes
  for (; amount >= 1_024 && unit < UNITS.length - 1; unit++) amount /= 1_024
  return `${countText(Math.floor(amount))} ${UNITS[unit]}`
}

/** `1,234,567`. */
export function countText(count: number): string {
  return String(count).replaceAll(/\B(?=(?:\d{3})+$)/gu, ',')
}

/**
 * Whether the disk of the jobs has room for the records of how they end, and the warnings where it has not.
 */
export class Room {
  readonly #parts: RoomParts
  #wasLacking = false
  #warnedAtMonotonic = Number.NEGATIVE_INFINITY
  #turn: Promise<unknown> = Promise.resolve()

  constructor(parts: RoomParts) {
    this.#parts = parts
  }

  /**
   * A write was refused for want of room: the next check makes a record on trial, whatever the file system
   * says is free.
   */
  noteRefused(): void {
    this.#wasLacking = true
  }

  /**
   * Where little is free, sends go one after the other: of many at once each would take some of it, and none
   * get enough.
   */
  async inTurn<T>(send: () => Promise<T>): Promise<T> {
    const free = await freeRoom(this.#parts.layout.root)
    if (!isBelow(free, SCARCE)) return send()
    const turn = this.#turn.then(send)
    this.#turn = turn.catch(() => {
      // Its sender gets the error.
    })
    return turn
  }

  /** @returns what is lacking, in words; `undefined` while records can be made */
  async lacking(): Promise<string | undefined> {
    const { layout } = this.#parts
    const free = await freeRoom(layout.root)
    if (!isBelow(free, TIGHT) && !this.#wasLacking) return undefined
    this.#wasLacking = !(await this.#canRecord())
    return this.#wasLacking ? `the disk of ${layout.root} is full (${freeText(free)})` : undefined
  }

  /** Logs, at most once a minute, what waits for room and why. */
  warn(lacking: string, running: number): void {
    const { logger, runtime } = this.#parts
    const nowMonotonic = runtime.monotonicMs()
    if (nowMonotonic - this.#warnedAtMonotonic < WARN_EVERY_MS) return
    this.#warnedAtMonotonic = nowMonotonic
    logger?.warn(
      { jobs: running },
      `${lacking}: jobs that end can't be recorded, and none can be started, before there is room; nothing is lost`,
    )
  }

  async #canRecord(): Promise<boolean> {
    const trial = this.#parts.layout.aside('room')
    try {
      await writeOnce(trial, 'room')
      await removeIfThere(trial)
      return true
    } catch (error) {
      if (isNoRoom(error)) return false
      throw error
    }
  }
}

/** Whether fewer inodes or blocks are free. */
function isBelow({ bytes, inodes = Number.POSITIVE_INFINITY, blockBytes }: FreeRoom, count: number): boolean {
  return bytes < count * blockBytes || inodes < count
}

/** Writes a record that may be left out. `false`: there is no room for it. */
export async function hasRoomFor(write: () => Promise<boolean>): Promise<boolean> {
  try {
    await write()
    return true
  } catch (error) {
    if (isNoRoom(error)) return false
    throw error
  }
}
