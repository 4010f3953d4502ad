import { spawn } from 'node:child_process'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { main } from '../../src/cli/main.js'
import { queueContract, workerContract } from '../../src/index.js'

const FIXTURES = join(import.meta.dirname, 'fixtures')
let dir: string

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-testkit-'))
})
afterEach(() => rm(dir, { recursive: true }))

async function run(...args: readonly string[]): Promise<{ code: number; out: string[]; err: string[] }> {
  const [out, err]: [string[], string[]] = [[], []]
  const code = await main(args, {
    cwd: FIXTURES,
    print: (text) => void out.push(text),
    printError: (text) => void err.push(text),
  })
  return { code, out, err }
}

test('a module with a harness of a queue: one line a case, a summary, exit code 1 for what is broken', async () => {
  const { code, out } = await run('verify', './broken-queue.mjs', '--case', 'Q-PUT-1')
  const cases = queueContract.filter(({ id }) => id.startsWith('Q-PUT-1'))
  expect(out).toHaveLength(cases.length + 1)
  expect(out[0]).toMatch(/^FAIL Q-PUT-1 .*\n {5}Q-PUT-1 is broken: .*\n {7}promise: .*\n {7}what: /u)
  expect(out.at(-1)).toMatch(/^queue contract: \d+ passed, \d+ failed, 0 slow, \d+ skipped$/u)
  expect(code).toBe(1)
})

test('a module with a harness of a worker, as JSON: an object a case, then the counts', async () => {
  const { code, out } = await run('verify', './tiny-worker.mjs', '--case', 'W-POLL-1', '--json')
  const lines: unknown[] = out.map((line) => JSON.parse(line))
  const cases = workerContract.filter(({ id }) => id.startsWith('W-POLL-1'))
  expect(lines.slice(0, -1)).toMatchObject(cases.map(({ id, title }) => ({ id, title })))
  expect(lines.at(-1)).toMatchObject({ passed: 0, slow: 0 })
  expect(code).toBe(1)
})

test('a case that is skipped says why, and is no failure', async () => {
  const { code, out } = await run('verify', './tiny-worker.mjs', '--case', 'W-ID-1')
  expect(out[0]).toMatch(/^skip W-ID-1 .* \(.+\)$/u)
  expect(code).toBe(0)
})

test('a package of queues needs no harness: its queues get throwaway names and are dropped', async () => {
  const args = ['verify', './queue-package.mjs', '--case', 'Q-PUT-1', '--options', '{"store": "here"}']
  const { out } = await run(...args)
  const fixture = join(FIXTURES, 'queue-package.mjs')
  const { calls }: { calls: readonly unknown[] } = await import(fixture)
  const name: unknown = expect.stringMatching(/^sluice-verify-.*-contract$/u)
  expect(calls[0]).toEqual({ open: { store: 'here', name } })
  expect(calls).toContainEqual({ drop: { store: 'here', name }, use: { withRunning: true } })
  expect(out.at(-1)).toMatch(/^queue contract: /u)
})

test('a queue that takes no item: no case is run, and why', async () => {
  const module = './queue-package.mjs'
  const { code, out, err } = await run('verify', module)
  expect({ code, out }).toEqual({ code: 2, out: [] })
  expect(err).toEqual([
    expect.stringMatching(
      /^error: No case was run: putting an item .* failed: no store\. .*no options.*--options '\{/u,
    ),
  ])
  const slow = await run('verify', module, '--options', '{"store": "slow"}', '--timeout', '20')
  expect(slow).toMatchObject({ code: 2, out: [] })
  expect(slow.err.join()).toMatch(/did not end within 20 ms\. .*the options store/u)
})

test('the help names the program', async () => {
  expect((await run('--help')).out.join()).toContain('Usage: sluice-testkit ')
})

test.each([
  ['nothing.mjs', ['verify', './nothing.mjs'], /there is no file .*nothing\.mjs/u],
  ['a package that is not installed', ['verify', '@some/queue'], /no package of this name is installed/u],
  ['a module that throws', ['verify', './throws.mjs'], /Cannot load \.\/throws\.mjs: no storage/u],
  ['no queue', ['verify', './no-queue.mjs'], /exports neither `harness` nor `openQueue`, but answer/u],
  ['a worker without a harness', ['verify', './no-harness.mjs'], /Export `harness`/u],
  ['a harness of nothing', ['verify', './odd-harness.mjs'], /returns neither a QueueHarness/u],
  ['a harness that fails', ['verify', './failing-harness.mjs'], /`harness` of .* failed: no storage/u],
  ['no such case', ['verify', './tiny-worker.mjs', '--case', 'X-1'], /No case of the worker contract/u],
  ['options that are no object', ['verify', './queue-package.mjs', '--options', '[]'], /a JSON object/u],
  ['no time', ['verify', './tiny-worker.mjs', '--timeout', 'soon'], /--timeout takes a number/u],
  ['no module', ['verify'], /missing required argument/u],
  ['an unknown option', ['verify', 'x', '--fast'], /unknown option/u],
])('%s: exit code 2, and why', async (_, args, message) => {
  const { code, err } = await run(...args)
  expect(err.join('\n')).toMatch(message)
  expect(code).toBe(2)
})

test('cases lists every case, and gives the catalog as JSON', async () => {
  const { out } = await run('cases')
  expect(out[0]?.split('\n')[0]).toMatch(/^Q-PUT-1 +a new item is WAITING/u)
  const { out: json } = await run('cases', '--json')
  expect(JSON.parse(json[0] ?? '')).toMatchObject({ queue: { cases: expect.any(Array) } })
})

test('--watch runs again when a program beside the module changes, and ends by a signal', async () => {
  await cp(join(FIXTURES, 'tiny-worker.mjs'), join(dir, 'worker.mjs'))
  const cli = join(import.meta.dirname, '..', '..', 'dist', 'cli.js')
  const args = [cli, 'verify', './worker.mjs', '--case', 'W-ID-1', '--watch']
  const child = spawn(process.execPath, args, { cwd: dir, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => child.on('close', resolve))
  const seen: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    seen.push(line)
    const runs = seen.filter((each) => each.startsWith('worker contract:')).length
    // A store may write its data there.
    if (runs === 1 && line.startsWith('worker contract:')) {
      await writeFile(join(dir, 'data.json'), '{}')
      await writeFile(join(dir, 'helper.mjs'), '')
    }
    if (runs === 2) child.kill('SIGTERM')
  }
  await ended
  expect(seen.filter((line) => line.endsWith('changed'))).toEqual(['helper.mjs changed'])
  expect(seen.filter((line) => line.startsWith('skip W-ID-1'))).toHaveLength(4)
})
