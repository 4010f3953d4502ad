import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SUPERVISOR_SCRIPT } from '../src/supervisor-script.js'

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

async function supervise([shell = '', ...more]: string[], command: string, [timeout, grace] = ['0', '1']) {
  const own = [
    root,
    'key',
    join(root, 'home'),
    join(root, 'gone'),
    timeout ?? '',
    grace ?? '',
    '/dev/null',
    '22',
  ]
  const args = [...more, '-c', SUPERVISOR_SCRIPT, 'sluice-job', ...own, '/bin/sh', '-c', command]
  const child = spawn(shell, args, { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  child.stdin.end('go\n')
  await once(child, 'exit')
  return { pid: child.pid, ended: await readlink(join(root, 'ended', 'key')) }
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
})
