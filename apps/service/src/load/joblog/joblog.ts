import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { SluiceError } from '@sluice/core'
import { manifestError } from '../../manifest/manifest-errors.js'

/** @see https://www.gnu.org/software/parallel/man.html, option --joblog */
const HEADER = [
  'Seq',
  'Host',
  'Starttime',
  'JobRuntime',
  'Send',
  'Receive',
  'Exitval',
  'Signal',
  'Command',
].join('\t')

const FIELDS = String.raw`(\d+)\t[^\t]*\t\d+\.\d+\t *-?\d+\.\d+\t\d+\t\d+\t(-?\d+)\t(-?\d+)\t`
const RECORD = new RegExp(`^${FIELDS}(.*)$`, 'su')
/** The start of another record within a command: it was appended to a truncated one. */
const GLUED = new RegExp(FIELDS.replaceAll(/\((?!\?)/gu, '(?:'), 'u')
/**
 * The same for a record appended to one truncated in its exit value or signal, which took over its first
 * fields.
 */
const CUT_IN_FIELDS = /^(?:[^\t]*\t)?\d+\.\d+\t *-?\d+\.\d+\t/u

/**
 * The outcome of each command in a job log of GNU parallel. Only complete records count: not a truncated
 * last one, not one with a later record appended, and not one in another format. Job numbers don't identify
 * items: they shift when a line is added to the list.
 */
export class Joblog {
  records = 0
  /** Truncated, merged and invalid records. */
  untrusted = 0
  /** The number of the latest job, negative where it was not done. Nearly every command has one job. */
  readonly #jobs = new Map<string, number>()
  /** For commands with several jobs: whether each is done. */
  readonly #more = new Map<string, Map<number, boolean>>()

  /**
   * @throws SluiceError SLUICE_INPUT_INVALID where the file can't be read or is not a job log of GNU parallel
   */
  static async read(path: string): Promise<Joblog> {
    const log = new Joblog()
    let isFirst = true
    try {
      for await (const { bytes, isWhole } of readLines(path)) {
        const line = isUtf8(bytes) ? bytes.toString('utf8') : undefined
        if (isFirst && line !== HEADER) throw noJoblog(path)
        isFirst = false
        if (line !== HEADER) log.#add(isWhole ? line : undefined)
      }
    } catch (error) {
      throw manifestError(error, path)
    }
    if (isFirst) throw noJoblog(path)
    return log
  }

  /** Each command once. */
  get commands(): Iterable<string> {
    return this.#jobs.keys()
  }

  /** Whether the latest record of each job with this command has exit value 0 and no signal. */
  isDone(command: string): boolean {
    const more = this.#more.get(command)
    if (more !== undefined) return [...more.values()].every(Boolean)
    return (this.#jobs.get(command) ?? -1) > 0
  }

  #add(line: string | undefined): void {
    const [, job, exitValue, signal, written] = (line === undefined ? null : RECORD.exec(line)) ?? []
    if (written === undefined || CUT_IN_FIELDS.test(written) || GLUED.test(written)) {
      this.untrusted += 1
      return
    }
    this.records += 1
    // GNU parallel writes a line break in a command as NUL.
    this.#note(written.replaceAll('\0', '\n'), Number(job), exitValue === '0' && signal === '0')
  }

  #note(command: string, job: number, done: boolean): void {
    const before = this.#jobs.get(command)
    if (before !== undefined && Math.abs(before) !== job && !this.#more.has(command)) {
      this.#more.set(command, new Map([[Math.abs(before), before > 0]]))
    }
    this.#more.get(command)?.set(job, done)
    this.#jobs.set(command, done ? job : -job)
  }
}

const NEWLINE = 0x0a

async function* readLines(
  path: string,
): AsyncGenerator<{ readonly bytes: Buffer; readonly isWhole: boolean }> {
  let open: Buffer[] = []
  for await (const chunk of createReadStream(path)) {
    let rest: Buffer = chunk
    for (let end = rest.indexOf(NEWLINE); end !== -1; end = rest.indexOf(NEWLINE)) {
      yield { bytes: Buffer.concat([...open, rest.subarray(0, end)]), isWhole: true }
      open = []
      rest = rest.subarray(end + 1)
    }
    if (rest.length > 0) open.push(rest)
  }
  if (open.length > 0) yield { bytes: Buffer.concat(open), isWhole: false }
}

function noJoblog(path: string): SluiceError {
  return new SluiceError(
    'SLUICE_INPUT_INVALID',
    `${path} is not a job log of GNU parallel: its first line is not the header of --joblog (Seq, Host, …, Command)`,
  )
}
