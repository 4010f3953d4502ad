import { mkdir, readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { CommandError } from '../command-error.js'
import { plural } from '../progress/progress-text.js'
import { writeFileWhole } from '../report/report-file.js'
import { findFiles } from './file-walk.js'

/** What a demo is about. */
export interface DemoPlan {
  /** Whose files are digested; an absolute path. */
  readonly root: string
  /** How many were asked for; there may be fewer. */
  readonly items: number
}

/** What was asked for; what wasn't, a demo that was begun decides. */
export interface WantedPlan {
  readonly root?: string | undefined
  readonly items?: number | undefined
  /** The root of a new demo that nobody gave one. */
  readonly cwd: string
}

const DEFAULT_ITEMS = 1_000

const planSchema = z.object({ root: z.string(), items: z.int() })

/** The directory of a demo and what lies in it. */
export class DemoPlace {
  readonly dir: string
  readonly manifest: string
  readonly queue: string
  readonly jobs: string
  readonly report: string
  readonly #plan: string

  /** @param dir what all demos share, such as `.sluice` */
  constructor(dir: string) {
    this.dir = resolve(dir, 'demo')
    this.manifest = join(this.dir, 'manifest.jsonl')
    this.queue = join(this.dir, 'queue.db')
    this.jobs = join(this.dir, 'jobs')
    this.report = join(this.dir, 'report.csv')
    this.#plan = join(this.dir, 'demo.json')
  }

  /**
   * The plan of the demo that was begun here, or a new one with its manifest. The manifest is written once: a tree that changes
   * later must not change what was begun.
   *
   * @throws CommandError INVALID when another plan than the one that was begun is asked for, or there are no files
   */
  async begin(wanted: WantedPlan): Promise<DemoPlan> {
    const begun = await this.#read()
    if (begun !== undefined) return assertSame(begun, wanted)
    const plan = { root: wanted.root ?? wanted.cwd, items: wanted.items ?? DEFAULT_ITEMS }
    await mkdir(this.dir, { recursive: true })
    const files = await findFiles(plan.root, plan.items)
    if (files.length === 0) throw new CommandError('INVALID', `There are no files below ${plan.root}`)
    const lines = files.map((path) => `${JSON.stringify({ id: path, body: { path } })}\n`)
    await writeText(this.manifest, lines.join(''))
    // Last: as long as it isn't there, nothing was begun.
    await writeText(this.#plan, `${JSON.stringify(plan)}\n`)
    return plan
  }

  /** Throws the demo away: its own files and nothing else that may lie there. */
  async clear(): Promise<void> {
    const files = [this.#plan, this.manifest, this.report, this.jobs]
    const database = ['', '-wal', '-shm', '-journal'].map((end) => `${this.queue}${end}`)
    for (const path of [...files, ...database]) await rm(path, { recursive: true, force: true })
  }

  async #read(): Promise<DemoPlan | undefined> {
    const text = await readFile(this.#plan, 'utf8').catch(() => undefined)
    if (text === undefined) return undefined
    const parsed = planSchema.safeParse(parseJson(text))
    if (parsed.success) return parsed.data
    throw new CommandError('INVALID', `${this.#plan} is damaged. Start afresh with --fresh`)
  }
}

function assertSame(begun: DemoPlan, wanted: WantedPlan): DemoPlan {
  const isSame = (wanted.items ?? begun.items) === begun.items && (wanted.root ?? begun.root) === begun.root
  if (isSame) return begun
  throw new CommandError(
    'INVALID',
    `The demo that was begun here is of ${plural(begun.items, 'file')} of ${begun.root}. ` +
      'Go on with it without --items and --root, or start another with --fresh',
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function writeText(path: string, text: string): Promise<void> {
  await writeFileWhole(path, async (out) => {
    await new Promise<void>((done, failed) => {
      out.once('error', failed)
      out.end(text, done)
    })
  })
}
