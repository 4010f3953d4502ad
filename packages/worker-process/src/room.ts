import { statfs } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Logger } from '@sluice/core'
import type { Layout } from './layout.js'
import { isNoRoom } from './process-errors.js'
import { removeIfThere, writeOnce } from './record.js'

/** From one warning to the next while there is no room, in ms. */
const WARN_EVERY_MS = 60_000
/** With fewer free inodes or blocks than this a record is tried, to know for sure. */
const TIGHT = 64

/** What is free on a disk. */
export interface FreeRoom {
  readonly bytes: number
  /** Absent on a file system that makes inodes as it needs them. */
  readonly inodes?: number
  readonly blockBytes: number
}

export interface RoomParts {
  readonly layout: Layout
  readonly logger?: Logger
  /** A clock that only goes forward; for tests. */
  readonly monotonicMs?: () => number
}

/** What is free under a folder for this user. */
export async function freeRoom(folder: string): Promise<FreeRoom> {
  const { bavail, bsize, files, ffree } = await statfs(folder)
  return { bytes: bavail * bsize, blockBytes: bsize, ...(files > 0 ? { inodes: ffree } : {}) }
}

/** In words for people. */
export function freeText({ bytes, inodes }: FreeRoom): string {
  return `${inodes === undefined ? '' : `${inodes} inodes and `}${bytes} bytes are free`
}

/** Whether the disk of the jobs has room for the records of how they end, and the warnings where it has not. */
export class Room {
  readonly #parts: RoomParts
  #wasLacking = false
  #warnedAtMonotonic = Number.NEGATIVE_INFINITY

  constructor(parts: RoomParts) {
    this.#parts = parts
  }

  /** Some write was refused for want of room: the next look is a thorough one, whatever the file system says is free. */
  noteRefused(): void {
    this.#wasLacking = true
  }

  /** @returns what is lacking, in words; `undefined` while records can be made */
  async lacking(): Promise<string | undefined> {
    const { layout } = this.#parts
    const free = await freeRoom(layout.root)
    const isTight = free.bytes < TIGHT * free.blockBytes || (free.inodes ?? TIGHT) < TIGHT
    if (!isTight && !this.#wasLacking) return undefined
    this.#wasLacking = !(await this.#canRecord())
    return this.#wasLacking ? `the disk of ${layout.root} is full (${freeText(free)})` : undefined
  }

  /** At most once a minute: what waits for room, and why. */
  warn(lacking: string, running: number): void {
    const { logger, monotonicMs = () => performance.now() } = this.#parts
    const nowMs = monotonicMs()
    if (nowMs - this.#warnedAtMonotonic < WARN_EVERY_MS) return
    this.#warnedAtMonotonic = nowMs
    logger?.warn(
      { jobs: running },
      `${lacking}: jobs that end can't be recorded, and none can be started, before there is room; nothing is lost`,
    )
  }

  async #canRecord(): Promise<boolean> {
    const trial = join(this.#parts.layout.preparing, `room.${randomUUID()}`)
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
