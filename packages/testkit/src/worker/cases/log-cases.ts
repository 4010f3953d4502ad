import type { JobRef, ReadLogOptions, Worker, WorkerSupports } from '@sluice/core'
import { check, refuses, rejects, same } from '../../check.js'
import type { WorkerCase, WorkerHarness } from '../worker-harness.js'
import { checkOffered, eventually, jobOf, send } from './worker-walk.js'

const BOUND_MS = 10_000

/** W-LOG-1. */
export const logCases: readonly WorkerCase[] = [
  {
    id: 'W-LOG-1',
    title: 'the log of a job is what it wrote, whole and once, while it runs and after its end',
    needs: lacksLogs,
    async run(harness) {
      const worker = await harness.open()
      const [job, other] = [jobOf('a'), jobOf('b')]
      for (const one of [job, other]) await send(worker, harness, one)
      same(await textOf(worker, job), '', 'the log of a job that wrote nothing')
      await write(harness, job, 'one\ntwo ü\n')
      await write(harness, other, 'of another job\n')
      same(await textOf(worker, job), 'one\ntwo ü\n', 'the log while it runs')
      await write(harness, job, '\nthree\n')
      same(await textOf(worker, job), 'one\ntwo ü\n\nthree\n', 'the log when more was written')
      await harness.finish(job, 'FAIL')
      await worker.pollAllStatus()
      same(await textOf(worker, job), 'one\ntwo ü\n\nthree\n', 'the log once it has ended')
      same(await textOf(worker, job), 'one\ntwo ü\n\nthree\n', 'the same read once more')
      same(await textOf(worker, other), 'of another job\n', 'the log of the other job')
    },
  },
  {
    id: 'W-LOG-1/a',
    title: 'with follow it goes on with what is written afterwards, and ends when the job has ended',
    needs: lacksLogs,
    async run(harness) {
      const worker = await harness.open()
      const job = jobOf('a')
      await send(worker, harness, job)
      await write(harness, job, 'before\n')
      const reading = new Reading(worker, job, { follow: true })
      await reading.until('before\n')
      await write(harness, job, 'after\n')
      await reading.until('before\nafter\n')
      check(!reading.isOver, 'it goes on while the job runs')
      await write(harness, job, 'last\n')
      await harness.finish(job, 'SUCCESS')
      await worker.pollAllStatus()
      await reading.end()
      same(reading.text, 'before\nafter\nlast\n', 'all that was written')
      const late = new Reading(worker, job, { follow: true })
      await late.end()
      same(late.text, reading.text, 'what one who follows a job that has ended is given')
    },
  },
  {
    id: 'W-LOG-1/b',
    title: 'tailBytes gives the last bytes of what is there, and with follow what comes after them',
    needs: lacksLogs,
    async run(harness) {
      const worker = await harness.open()
      const job = jobOf('a')
      await send(worker, harness, job)
      await write(harness, job, 'first\nsecond\nthird\n')
      same(await textOf(worker, job, { tailBytes: 9 }), 'nd\nthird\n', 'the last nine bytes')
      same(await textOf(worker, job, { tailBytes: 1_000 }), 'first\nsecond\nthird\n', 'more than there are')
      same(await textOf(worker, job, { tailBytes: 0 }), '', 'none')
      for (const tailBytes of [-1, 0.5])
        await refuses(() => textOf(worker, job, { tailBytes }), `tailBytes ${tailBytes}`)
      const reading = new Reading(worker, job, { tailBytes: 6, follow: true })
      await reading.until('third\n')
      await write(harness, job, 'fourth\n')
      await reading.until('third\nfourth\n')
      await harness.finish(job, 'SUCCESS')
      await worker.pollAllStatus()
      await reading.end()
      same(reading.text, 'third\nfourth\n', 'the tail, and what came after it')
    },
  },
  {
    id: 'W-LOG-1/c',
    title: 'a job that the worker does not know, and one whose log is gone, reject SLUICE_ITEM_NOT_FOUND',
    needs: lacksLogs,
    async run(harness) {
      const worker = await harness.open()
      const job = jobOf('a', 2)
      await send(worker, harness, job)
      await write(harness, job, 'one\n')
      for (const unknown of [jobOf('never'), jobOf('a', 1), jobOf('a', 2, 'another uid')])
        for (const follow of [false, true])
          await rejects(textOf(worker, unknown, { follow }), 'SLUICE_ITEM_NOT_FOUND', 'the log of no job')
      await harness.finish(job, 'SUCCESS')
      await worker.pollAllStatus()
      if (harness.loseLog === undefined) return
      await harness.loseLog(job)
      await rejects(textOf(worker, job), 'SLUICE_ITEM_NOT_FOUND', 'a log that is gone')
    },
  },
  {
    id: 'W-LOG-1/d',
    title: 'its signal ends it with the signal’s reason, at once; a reader that stops early disturbs nothing',
    needs: lacksLogs,
    async run(harness) {
      const worker = await harness.open()
      const job = jobOf('a')
      await send(worker, harness, job)
      await write(harness, job, 'one\n')
      const [reason, stop] = [new Error('enough'), new AbortController()]
      const reading = new Reading(worker, job, { follow: true, signal: stop.signal })
      await reading.until('one\n')
      stop.abort(reason)
      check((await endOf(reading)) === reason, 'it ends with the reason', await endOf(reading))
      const late = new Reading(worker, job, { signal: stop.signal })
      check((await endOf(late)) === reason, 'with a signal that had aborted it ends so at once')
      same(late.text, '', 'and gives nothing')
      for await (const _ of logOf(worker, job, { follow: true })) break
      same(await textOf(worker, job), 'one\n', 'the log afterwards')
    },
  },
  {
    id: 'W-LOG-1/e',
    title: 'any bytes are given as they were written',
    needs: (supports, harness) =>
      lacksLogs(supports, harness) ?? (harness.exactLogs === true ? undefined : 'its logs are lines of text'),
    async run(harness) {
      const worker = await harness.open()
      const job = jobOf('a')
      await send(worker, harness, job)
      const bytes = Buffer.from([0, 0xff, 0xfe, 10, 13, 10, 0xc3, 0x28, 27, 91, 51, 49, 109, 0xe2, 0x82])
      await harness.writeLog?.(job, bytes)
      same(await hexOf(worker, job, {}), bytes.toString('hex'), 'the bytes')
      same(await hexOf(worker, job, { tailBytes: 2 }), 'e282', 'its last two')
    },
  },
]

function lacksLogs(
  { readLog }: WorkerSupports,
  { writesNothing }: Pick<WorkerHarness, 'writesNothing'>,
): string | undefined {
  return readLog === true ? writesNothing : 'this worker has no readLog'
}

async function write(harness: WorkerHarness, job: JobRef, text: string): Promise<void> {
  check(harness.writeLog !== undefined, 'supports.readLog is true, so the harness must have writeLog')
  await harness.writeLog?.(job, Buffer.from(text))
}

function logOf(worker: Worker, job: JobRef, options?: ReadLogOptions): AsyncIterable<Uint8Array> {
  checkOffered(worker, 'readLog')
  const log = worker.readLog?.(job, options)
  if (log === undefined) throw new Error('readLog must give an iterable')
  return log
}

/** The whole log, of one that does not go on for ever. */
async function textOf(worker: Worker, job: JobRef, options: ReadLogOptions = {}): Promise<string> {
  return Buffer.from(await hexOf(worker, job, options), 'hex').toString('utf8')
}

async function hexOf(worker: Worker, job: JobRef, options: ReadLogOptions): Promise<string> {
  let hex = ''
  for await (const chunk of logOf(worker, job, options)) hex += Buffer.from(chunk).toString('hex')
  return hex
}

/** A log that is read while other things happen. */
class Reading {
  readonly #chunks: Uint8Array[] = []
  readonly #ended: Promise<unknown>
  isOver = false

  constructor(worker: Worker, job: JobRef, options: ReadLogOptions) {
    this.#ended = this.#follow(logOf(worker, job, options)).finally(() => (this.isOver = true))
    // Its end is awaited later: until then a failure must not count as unhandled.
    this.#ended.catch(() => undefined)
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString('utf8')
  }

  /** Resolves when just this was given. */
  async until(text: string): Promise<void> {
    await eventually(async () => this.isOver || this.text.length >= text.length, BOUND_MS)
    if (this.isOver) await this.end()
    same(this.text, text, 'what of the log was given so far')
  }

  /** Resolves when it ends, in time. */
  async end(): Promise<void> {
    check(await eventually(async () => this.isOver, BOUND_MS), 'the reading of the log ends')
    await this.#ended
  }

  async #follow(log: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const chunk of log) this.#chunks.push(chunk)
  }
}

/** What it ends with: an error, or nothing. */
async function endOf(reading: Reading): Promise<unknown> {
  return reading.end().catch((error: unknown) => error)
}
