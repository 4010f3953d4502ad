import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { mkdir, open, readFile, readdir, unlink, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { JobPlace, Layout } from '../disk/layout.js'
import { absentAsUndefined, absentAsUndefinedSync, hasRecordSync, writeOnceSync } from '../disk/record.js'
import type { ProcessTable } from '../processes/process-table.js'
import { acceptJob, indexText } from './job-acceptance.js'

/** A journal with more lines is replaced: what it holds is then put on the disk for good one by one. */
const MAX_LINES = 10_000

/** A job that was accepted; without a file it was taken back, and never ran. */
export interface JournalLine {
  readonly key: string
  readonly bootId: string
  /** The text of its file as JSON. */
  readonly file?: unknown
}

interface JournalParts {
  readonly layout: Layout
  readonly bootId: string
  /** The process that writes it, as in a claim. */
  readonly owner: { readonly pid: number; readonly start: string }
}

/**
 * What one supervisor has accepted, in a file that is on the disk before a job of it starts. The files of the
 * job itself need not be by then: after a power cut, those that are missing are made again out of the
 * journal, and such a job has not ended and does not start. So many jobs share one wait for the disk.
 */
export class Journal {
  readonly #parts: JournalParts
  #lines: string[] = []
  #file: { readonly path: string; readonly handle: FileHandle; lines: number } | undefined
  #last: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined
  #serial = 0

  constructor(parts: JournalParts) {
    this.#parts = parts
  }

  /** Resolves once the line is on the disk, with all that came while the disk was busy. */
  add(line: JournalLine): Promise<void> {
    this.note(line)
    this.#next ??= this.#commit(this.#last)
    return this.#next
  }

  /** Adds a line that may be lost in a power cut. */
  note(line: JournalLine): void {
    this.#lines.push(JSON.stringify(line))
  }

  /** Nothing more is accepted: every job that is left is put on the disk for good, and the file removed. */
  async close(): Promise<void> {
    await this.#last.catch(reported)
    await this.#replace()
  }

  async #commit(previous: Promise<void>): Promise<void> {
    await previous.catch(reported)
    const own = this.#next
    if (own !== undefined) this.#last = own
    this.#next = undefined
    const lines = this.#lines
    this.#lines = []
    if (this.#file !== undefined && this.#file.lines > MAX_LINES) await this.#replace()
    const file = (this.#file ??= await this.#open())
    file.lines += lines.length
    // The first line break ends what a full disk has cut off.
    await file.handle.appendFile(`\n${lines.join('\n')}\n`)
    await file.handle.datasync()
  }

  async #open(): Promise<{ path: string; handle: FileHandle; lines: number }> {
    const { layout, bootId, owner } = this.#parts
    const name = [bootId, owner.pid, owner.start, this.#serial++].map(encodeURIComponent).join('~')
    const path = join(layout.journals, name)
    await mkdir(layout.journals, { recursive: true, mode: 0o700 })
    const handle = await open(path, 'ax', 0o600)
    await syncPath(layout.journals)
    return { path, handle, lines: 0 }
  }

  async #replace(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    if (file === undefined) return
    await file.handle.close()
    await settleJournal(file.path, this.#parts)
  }
}

function reported(): void {
  // Those whose lines they were got the error.
}

/**
 * Settles the journals of supervisors that have ended: see {@link settleJournal}. Several services may do so
 * at once.
 */
export async function settleJournals(
  layout: Layout,
  { bootId, table }: { readonly bootId: string; readonly table: Pick<ProcessTable, 'starts'> },
): Promise<void> {
  for (const name of (await absentAsUndefined(() => readdir(layout.journals))) ?? []) {
    const [boot, pid, start] = name.split('~').map(decodeURIComponent)
    const starts = boot === bootId ? await table.starts([Number(pid)]) : new Map<number, string>()
    if (starts.get(Number(pid)) !== start)
      await settleJournal(join(layout.journals, name), { layout, bootId })
  }
}

/**
 * Puts what a journal holds on the disk for good, and removes it. A job of before a restart of the machine
 * whose files were lost is made again, so that it is found to have been accepted then. Of one of this boot
 * that is missing the outcome is stored: it was archived.
 */
async function settleJournal(
  path: string,
  { layout, bootId }: Pick<JournalParts, 'layout' | 'bootId'>,
): Promise<void> {
  const text = (await absentAsUndefined(() => readFile(path, 'utf8'))) ?? ''
  for (const { key, bootId: acceptedIn, file } of jobsOf(text)) {
    const place = layout.placeOf(key)
    if (acceptedIn !== bootId && !hasRecordSync(place.gone)) restoreJob(layout, place, file)
    await syncJob(place)
  }
  await absentAsUndefined(() => unlink(path))
}

/** Of its files a power cut may have left none, or a folder with empty ones. */
function restoreJob(layout: Layout, place: JobPlace, file: unknown): void {
  const isNew = acceptJob(layout, place, { file })
  if (!isNew && isCutOff(place.jobFile)) {
    const whole = layout.aside(place.key)
    writeFileSync(whole, JSON.stringify(file), { flag: 'wx', mode: 0o600 })
    absentAsUndefinedSync(() => renameSync(whole, place.jobFile))
  }
  if (!hasRecordSync(place.exit)) writeOnceSync(place.active, indexText(place))
}

function isCutOff(jobFile: string): boolean {
  return absentAsUndefinedSync(() => parseJson(readFileSync(jobFile, 'utf8'))) === undefined
}

function jobsOf(text: string): JournalLine[] {
  const jobs = new Map<string, JournalLine>()
  for (const each of text.split('\n')) {
    const line = parseLine(each)
    if (line === undefined) continue
    if (line.file === undefined) jobs.delete(line.key)
    else jobs.set(line.key, line)
  }
  return [...jobs.values()]
}

/** @returns `undefined` for a line that a full disk or a power cut has cut off: its job was not accepted */
function parseLine(text: string): JournalLine | undefined {
  const line = parseJson(text)
  if (typeof line !== 'object' || line === null || !('key' in line) || !('bootId' in line)) return undefined
  const { key, bootId } = line
  if (typeof key !== 'string' || typeof bootId !== 'string') return undefined
  return 'file' in line ? { key, bootId, file: line.file } : { key, bootId }
}

/** @returns `undefined` for what is none */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // It was cut off.
    return undefined
  }
}

async function syncJob({ home, jobFile }: JobPlace): Promise<void> {
  for (const path of [jobFile, dirname(home)]) {
    await absentAsUndefined(() => syncPath(path))
  }
}

async function syncPath(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
