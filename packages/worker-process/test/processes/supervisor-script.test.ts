import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, readdir, readlink, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SUPERVISOR_SCRIPT } from '../../src/processes/supervisor-script.js'
import { eventually } from '../worker-bench.js'

// Whatever /bin/sh is elsewhere: dash on Debian, bash on Red Hat and macOS, BusyBox on Alpine.
const shells = [
  ['/bin/sh'],
  ['/bin/dash'],
  ['/bin/bash', '--posix'],
  ['/bin/busybox', 'sh'],
  ['/bin/ksh'],
  ['/bin/zsh', '--emulate', 'sh'],
].filter(([shell = '']) => existsSync(shell))

let root: string

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-script-'))
  for (const folder of ['home', 'ended', 'stopping']) await mkdir(join(root, folder))
})

afterEach(() => rm(root, { recursive: true, force: true }))

function start(
  [shell = '', ...more]: string[],
  command: string,
  [timeout = '0', grace = '1']: string[] = [],
) {
  const own = [root, 'key', join(root, 'home'), join(root, 'gone'), timeout, grace, '/dev/null', '22']
  const args = [...more, '-c', SUPERVISOR_SCRIPT, 'sluice-job', ...own, '/bin/sh', '-c', command]
  const child = spawn(shell, args, { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  child.stdin.end('go\n')
  return { child, exited: once(child, 'exit') }
}

async function supervise(shell: string[], command: string, spans: string[] = []) {
  const { child, exited } = start(shell, command, spans)
  await exited
  return { pid: child.pid, ended: await readlink(join(root, 'ended', 'key')) }
}

async function untilRuns(): Promise<void> {
  await eventually('it runs', async () => (await readFile(join(root, 'home', 'stdout'), 'utf8')) !== '')
}

describe.each(shells.map((shell) => [shell.join(' '), shell] as const))('under %s', (_, shell) => {
  test.each([
    ['echo out; echo err >&2; exit 3', '3'],
    ['kill -KILL $$', '137'],
    ['umask; exit 0', '0'],
  ])('%s', async (command, ended) => {
    const job = await supervise(shell, command)
    expect(job.ended).toBe(ended)
    const [pid, start] = (await readlink(join(root, 'home', 'claim'))).split(' ')
    expect(Number(pid)).toBe(job.pid)
    expect(start).toMatch(/^\d+$/u)
    const output = await readFile(join(root, 'home', 'stdout'), 'utf8')
    expect(['out\n', '', '0022\n']).toContain(output)
    // Nothing of the shell's own: neither "Killed" nor an illegal mode.
    expect(['err\n', '']).toContain(await readFile(join(root, 'home', 'stderr'), 'utf8'))
  })

  test('a timeout: politely, then not', async () => {
    expect((await supervise(shell, 'exec sleep 100', ['0.1', '100'])).ended).toBe('143 stopped')
    expect(await readlink(join(root, 'stopping', 'key'))).toBe('timeout')
    await rm(join(root, 'home', 'claim'))
    await rm(join(root, 'ended', 'key'))
    const deaf = 'trap "" TERM; while :; do sleep 0.02; done'
    expect((await supervise(shell, deaf, ['0.1', '0.1'])).ended).toBe('137 stopped')
  })

  test.each(['0', '600'])(
    'told to end, with a timeout of %s s: SIGKILL follows SIGTERM without any poll, and not without the record',
    async (timeout) => {
      const deaf = 'trap "" TERM; echo runs; while :; do sleep 0.02; done'
      const { child, exited } = start(shell, deaf, [timeout, '0.1'])
      await eventually('its files are there', () => existsSync(join(root, 'home', 'stdout')))
      await untilRuns()
      const group = -(child.pid ?? Number.NaN)
      for (let times = 0; times < 20; times++) process.kill(group, 'SIGTERM')
      expect((await readdir(join(root, 'ended'))).length).toBe(0)
      await symlink('cancel:enough', join(root, 'stopping', 'key'))
      process.kill(group, 'SIGTERM')
      expect(await exited).toEqual([null, 'SIGKILL'])
      expect(await readlink(join(root, 'ended', 'key'))).toBe('137 stopped')
    },
  )

  test('told to end at any moment of its beginning: it ends', async () => {
    for (let times = 0; times < 20; times++) {
      const { child, exited } = start(shell, 'trap "" TERM; while :; do sleep 0.02; done', ['0', '0.01'])
      await eventually('it is claimed', async () => (await readdir(join(root, 'home'))).includes('claim'))
      await symlink('cancel:enough', join(root, 'stopping', 'key'))
      process.kill(-(child.pid ?? Number.NaN), 'SIGTERM')
      await exited
      expect(await readlink(join(root, 'ended', 'key'))).toMatch(/^(137|143) stopped$/u)
      for (const name of ['home/claim', 'ended/key', 'stopping/key']) await rm(join(root, name))
    }
  })

  test('told to end, it may take its grace to end by itself', async () => {
    const polite = 'trap "exit 7" TERM; echo runs; while :; do sleep 0.02; done'
    const { child, exited } = start(shell, polite, ['0', '100'])
    await eventually('its files are there', () => existsSync(join(root, 'home', 'stdout')))
    await untilRuns()
    await symlink('cancel:enough', join(root, 'stopping', 'key'))
    process.kill(-(child.pid ?? Number.NaN), 'SIGTERM')
    await exited
    expect(await readlink(join(root, 'ended', 'key'))).toBe('7 stopped')
  })
})
