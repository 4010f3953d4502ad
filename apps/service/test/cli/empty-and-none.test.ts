import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openQueue } from '@sluice/queue-sql'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { Sandbox } from '../fixtures/sandbox.js'

/** `…` stands for any text; `log: ` for a message of the log. */
const end = z.strictObject({ exit: z.int(), says: z.string().min(1) })
const row = z.strictObject({ command: z.string(), empty: end, none: end, nothing: end.nullable() })

/**
 * What docs/cli.md says, in the words of which each command is held here: add a line for each new command.
 */
const rows = z
  .array(row)
  .parse(JSON.parse(readFileSync(new URL('./empty-and-none.json', import.meta.url), 'utf8')))

let box: Sandbox

beforeEach(async () => {
  box = await Sandbox.open()
  await writeFile(join(box.dir, 'empty.jsonl'), '')
  await writeFile(
    join(box.dir, 'sluice.config.yaml'),
    `queue: { package: sql, name: tiles, url: 'sqlite:q.db' }
worker: { package: process, command: ['true'], dir: jobs }
service: { intervalMs: 50 }
log: { format: json }
`,
  )
})
afterEach(() => box.close())

/** @param ids of items that have succeeded */
async function makeQueue(...ids: readonly string[]): Promise<void> {
  const queue = await openQueue({ name: 'tiles', url: `sqlite:${join(box.dir, 'q.db')}` })
  await queue.putMany(ids.map((id) => ({ id, body: 1 })))
  await queue.settle(
    (await queue.get(ids.length)).map(({ id }) => ({ id, attempt: 1, stage: 'SUCCESS' as const })),
  )
  await queue.close()
}

async function said(command: string): Promise<{ exit: number | undefined; lines: readonly string[] }> {
  const { code, out, err } = await box.run(command.split(' '))
  return { exit: code, lines: `${out}\n${err}`.split('\n').flatMap(lineOf) }
}

/** A line as a person reads it; of the log its message. */
function lineOf(line: string): string[] {
  if (!line.startsWith('{')) return [line]
  const logged = z.object({ msg: z.string() }).parse(JSON.parse(line))
  return [`log: ${logged.msg}`]
}

function expectedOf({ exit, says }: z.infer<typeof end>): unknown {
  const pattern = says
    .split('…')
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
    .join('.+')
  return { exit, lines: expect.arrayContaining([expect.stringMatching(new RegExp(`^${pattern}$`))]) }
}

test.each(rows)('sluice $command on a queue that is empty', async ({ command, empty }) => {
  await makeQueue()
  expect(await said(command)).toEqual(expectedOf(empty))
})

test.each(rows)('sluice $command where there is no queue', async ({ command, none }) => {
  expect(await said(command)).toEqual(expectedOf(none))
})

test.each(rows.flatMap(({ command, nothing }) => (nothing === null ? [] : [{ command, nothing }])))(
  'sluice $command where nothing matches',
  async ({ command, nothing }) => {
    await makeQueue('done')
    expect(await said(command)).toEqual(expectedOf(nothing))
  },
)

test('every command that needs a queue is in the table', async () => {
  const { out } = await box.run(['--help'])
  const commands = [...out.matchAll(/^ {2}([a-z][a-z0-9-]*)(?: |$)/gm)].map(([, name]) => name)
  const apart = ['help', 'init', 'check', 'verify', 'demo', 'argo-fake', 's3-fake', 'put']
  const missing = commands.filter((name) => !rows.some(({ command }) => command.split(' ')[0] === name))
  expect(missing.filter((name) => !apart.includes(String(name)))).toEqual([])
})
