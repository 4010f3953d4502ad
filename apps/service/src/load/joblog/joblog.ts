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
/** The beginning of another record inside of a command: it was written onto the end of one that was cut off. */
const GLUED = new RegExp(FIELDS.replaceAll(/\((?!\?)/gu, '(?:'), 'u')
/** The same of a record that was written onto one which was cut in its exit value or signal: these took its number, and a host that is a number. */
const CUT_IN_FIELDS = /^(?:[^\t]*\t)?\d+\.\d+\t *-?\d+\.\d+\t/u

/**
 * What GNU parallel's log of jobs says of each command. Only a record that is whole counts: one that the log ends in, that has a later one glued to it or isn't
 * written as GNU parallel writes it says nothing of its command. Numbers of jobs aren't used to find items: they shift when a line is put into the list.
 */
export class Joblog {
  records = 0
  /** Records that are cut off, glued together, or no records. */
  untrusted = 0
  /** The number of the latest job, negative where that wasn't done. Of nearly every command there is only one job. */
  readonly #jobs = new Map<string, number>()
  /** Of commands that have several: whether each is done. */
  readonly #more = new Map<string, Map<number, boolean>>()

  /** @throws SluiceError SLUICE_INPUT_INVALID when the file can't be read or is no log of GNU parallel */
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

  /** Whether each job that ran this very command ended with exit value 0 and no signal, by the latest record of each. */
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
    // A line end of a command is written as NUL.
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
    `${path} is no log of GNU parallel: its first line is not the header that --joblog writes (Seq, Host, …, Command)`,
  )
}
