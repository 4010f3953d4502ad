import { readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import * as z from 'zod'
import { CommandError } from '../cli/command-error.js'
import { makeFolder } from './make-folder.js'
import { writeFileWhole } from '../output/whole-file.js'
import type { DemoKind, DemoPlan, WantedPlan } from './demo-kind.js'

const planSchema = z.object({ root: z.string().optional(), items: z.int() })

/** The directory of a demo and its files. */
export class DemoPlace {
  readonly dir: string
  readonly manifest: string
  readonly queue: string
  readonly jobs: string
  readonly report: string
  readonly #plan: string
  readonly #kind: DemoKind

  /** @param dir the directory of all demos, such as `.sluice` */
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
   * The plan of the unfinished demo, or a new one with its manifest. The manifest is written once: later
   * changes of the files must not change the demo.
   *
   * @throws CommandError INVALID where the plan differs from that of the unfinished demo, or there are no
   * items
   */
  async begin(wanted: WantedPlan): Promise<DemoPlan> {
    const plan = this.#kind.plan(wanted)
    const begun = await this.#read()
    if (begun !== undefined) return this.#assertSame(begun, wanted)
    await makeFolder(this.dir)
    const lines = (await this.#kind.items(plan)).map((item) => `${JSON.stringify(item)}\n`)
    await writeText(this.manifest, lines.join(''))
    // Written last: without it no demo was begun.
    await writeText(this.#plan, `${JSON.stringify(plan)}\n`)
    return plan
  }

  /** Deletes the demo: only its own files. */
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
    throw new CommandError('INVALID', `${this.#plan} is corrupt. Start a new demo with --fresh`)
  }

  #assertSame(begun: DemoPlan, wanted: WantedPlan): DemoPlan {
    const isSame = (wanted.items ?? begun.items) === begun.items && (wanted.root ?? begun.root) === begun.root
    if (isSame) return begun
    throw new CommandError(
      'INVALID',
      `The demo in this directory has ${this.#kind.planText(begun)}. ` +
        'Continue it without --items and --root, or start a new one with --fresh',
    )
  }
}

/** A missing file is no plan; another error must not start a demo in place of the old one. */
function absent(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
  throw error
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The caller reports the corrupt file.
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
