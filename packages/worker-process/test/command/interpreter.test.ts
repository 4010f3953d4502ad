import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { silentLogger } from '@sluice/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WorkerBench, newJob, outcome, send } from '../worker-bench.js'

let bench: WorkerBench
beforeEach(() => {
  bench = new WorkerBench()
})
afterEach(() => bench.close())

function write(name: string, text: string, mode = 0o755): string {
  const path = join(bench.dir, name)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

/** What check says of a command: an error, the warnings, or nothing. */
async function saidOf(command: string[]): Promise<{ error?: string; warnings: readonly string[] }> {
  const warnings: string[] = []
  const logger = { ...silentLogger, warn: (_: object, text: string) => void warnings.push(text) }
  const worker = await bench.open(bench.options(command, { cwd: bench.dir }), { logger })
  try {
    await worker.check()
    return { warnings }
  } catch (error) {
    return { error: String(error), warnings }
  }
}

const BAD: readonly (readonly [string, string, RegExp])[] = [
  [
    'an interpreter that is not there',
    '#!/no/such/pyhton3\necho 1\n',
    /"\/no\/such\/pyhton3", and there is no such/u,
  ],
  ['blanks before it, and an option', '#! \t/no/such/sh -e\n', /"\/no\/such\/sh", and there is no such/u],
  ['no line break behind it', '#!/no/such/sh', /"\/no\/such\/sh", and there is no such/u],
  ['line ends of Windows', '#!/bin/sh\r\necho 1\r\n', /"\/bin\/sh\\r".*carriage return.*dos2unix/u],
  [
    'line ends of Windows behind env',
    '#!/usr/bin/env sh\r\necho 1\r\n',
    /for the program "sh\\r".*dos2unix/u,
  ],
  [
    'a program that env does not find',
    '#!/usr/bin/env pyhton3\n',
    /"\/usr\/bin\/env" for the program "pyhton3"/u,
  ],
  [
    'one that env -S does not find',
    '#!/usr/bin/env -S A=1 pyhton3 -u\n',
    /for the program "pyhton3", which is not in PATH/u,
  ],
]

describe('check refuses a script whose first line has', () => {
  test.each(BAD)('%s', async (_, text, said) => {
    const { error } = await saidOf([write('job', text)])
    expect(error).toMatch(/SLUICE_CONFIG_INVALID|can't run the command/u)
    expect(error).toMatch(said)
    expect(error).toContain(join(bench.dir, 'job'))
  })

  test('an interpreter that is not executable', async () => {
    const plain = write('interpreter', 'no program', 0o644)
    expect((await saidOf([write('job', `#!${plain}\n`)])).error).toContain(`names the interpreter "${plain}"`)
    mkdirSync(join(bench.dir, 'folder'))
    const folder = join(bench.dir, 'folder')
    expect((await saidOf([write('job', `#!${folder}\n`)])).error).toContain('no such executable program')
  })

  test('an interpreter that is a script with such a line itself', async () => {
    const inner = write('inner', '#!/no/such/sh\n')
    const { error } = await saidOf([write('job', `#!${inner}\n`)])
    expect(error).toContain(`the first line of ${inner} names the interpreter "/no/such/sh"`)
  })
})

test.each([
  ['#!/bin/sh\n'],
  ['#!/bin/sh -e\n'],
  ['#!/usr/bin/env sh\n'],
  ['#!/usr/bin/env -S A=1 sh -e\n'],
  ['#!/usr/bin/env -S -i sh\n'],
  ['echo no first line\n'],
  ['# ! /no/such\n'],
])('check passes %j', async (text) => {
  expect(await saidOf([write('job', text)])).toEqual({ warnings: [] })
})

test.each(BAD)('a job whose script has %s names the interpreter in its reason', async (_, text, said) => {
  const worker = await bench.open(bench.options([write('job', text)]))
  const job = newJob('a')
  await send(worker, job)
  const report = await outcome(worker, job)
  expect(report).toMatchObject({ stage: 'FAIL', failureClass: 'error' })
  expect(report.message).toMatch(/^exit code 12[67]: the first line of /u)
  expect(report.message).toMatch(said)
})

test('a job that ends so by itself keeps its own words', async () => {
  const worker = await bench.open(bench.options([write('job', '#!/bin/sh\necho mine >&2; exit 127\n')]))
  const job = newJob('a')
  await send(worker, job)
  expect((await outcome(worker, job)).message).toBe('exit code 127: mine')
})

describe('check refuses a script that is not there', () => {
  test.each<[string[], string]>([
    [['python3', 'missing.py'], 'missing.py'],
    [['/bin/bash', 'missing.sh', '{id}'], 'missing.sh'],
    [['sh', '-eu', 'jobs/missing.sh'], 'jobs/missing.sh'],
    [['python3', '-u', '/no/such/job.py'], '/no/such/job.py'],
    [['perl', '-w', 'missing'], 'missing'],
    [['Rscript', 'missing.R', '{body.a}'], 'missing.R'],
    [['node', 'missing.mjs'], 'missing.mjs'],
  ])('%j', async (command, script) => {
    const [name = ''] = command
    // Which of them this machine has doesn't matter: none is started.
    if (!name.endsWith('sh')) command[0] = write(name, '#!/bin/sh\n')
    const { error, warnings } = await saidOf(command)
    expect(error).toContain(
      `runs the script ${JSON.stringify(script)} by ${command[0]}, and there is no such file`,
    )
    expect(warnings).toEqual([])
  })

  test.each<[string[]]>([[['node', 'missing']], [['bun', 'test']]])(
    'and warns where the interpreter may find it elsewhere: %j',
    async (command) => {
      const [name = '', ...args] = command
      const { error, warnings } = await saidOf([write(name, '#!/bin/sh\n'), ...args])
      expect(error).toBeUndefined()
      expect(warnings).toEqual([expect.stringContaining(`runs the script ${JSON.stringify(args[0])} by `)])
    },
  )

  test.each<[string[]]>([
    [['sh', 'env']],
    [['sh', '-c', 'missing.sh']],
    [['sh', '{body.script}']],
    [['sh', '-s', 'missing.sh']],
    [['sh', 'there.sh']],
    [['sh', '-x', '{body.dir}/job.sh']],
    [['echo', 'missing.py']],
    [['sh']],
  ])('and not where that can’t be told: %j', async (command) => {
    write('there.sh', '')
    expect(await saidOf(command)).toEqual({ warnings: [] })
  })
})
