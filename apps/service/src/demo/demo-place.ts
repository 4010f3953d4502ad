import { readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { CommandError } from '../cli/command-error.js'
import { makeFolder } from './make-folder.js'
import { writeFileWhole } from '../output/whole-file.js'
import type { DemoKind, DemoPlan, WantedPlan } from './demo-kind.js'

const planSchema = z.object({ root: z.string().optional(), items: z.int() })

/** The directory of a demo and what lies in it. */
export class DemoPlace {
  readonly dir: string
  readonly manifest: string
  readonly queue: string
  readonly jobs: string
  readonly report: string
  readonly #plan: string
  readonly #kind: DemoKind

  /** @param dir what all demos share, such as `.sluice` */
  constructor(dir: string, kind: DemoKind) {
    this.#kind = kind
    this.dir = resolve(dir, kind.folder)
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
   * @throws CommandError INVALID when another plan than the one that was begun is asked for, or there are no items
   */
  async begin(wanted: WantedPlan): Promise<DemoPlan> {
    const plan = this.#kind.plan(wanted)
    const begun = await this.#read()
    if (begun !== undefined) return this.#assertSame(begun, wanted)
    await makeFolder(this.dir)
    const lines = (await this.#kind.items(plan)).map((item) => `${JSON.stringify(item)}\n`)
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
    const text = await readFile(this.#plan, 'utf8').catch(absent)
    if (text === undefined) return undefined
    const parsed = planSchema.safeParse(parseJson(text))
    if (parsed.success) return parsed.data
    throw new CommandError('INVALID', `${this.#plan} is damaged. Start afresh with --fresh`)
  }

  #assertSame(begun: DemoPlan, wanted: WantedPlan): DemoPlan {
    const isSame = (wanted.items ?? begun.items) === begun.items && (wanted.root ?? begun.root) === begun.root
    if (isSame) return begun
    throw new CommandError(
      'INVALID',
      `The demo that was begun here is of ${this.#kind.planText(begun)}. ` +
        'Go on with it without --items and --root, or start another with --fresh',
    )
  }
}

/** A plan that can't be read is another matter than none: a demo begun anew would take the other one's place. */
function absent(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
  throw error
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // No plan either way: the caller says that the file is damaged.
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
