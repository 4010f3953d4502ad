import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CLI, Sandbox, type Ended } from '../fixtures/sandbox.js'

let box: Sandbox
beforeEach(async () => {
  box = await Sandbox.open()
  await mkdir(join(box.dir, 'data'))
  await writeFile(
    join(box.dir, 'sluice.config.yaml'),
    'queue: { package: sql, name: tiles, url: sqlite:data/queue.db }\nworker: { package: process, command: [echo], dir: jobs }\n',
  )
})
afterEach(async () => {
  for (const name of ['.', 'data', 'jobs']) await chmod(join(box.dir, name), 0o755).catch(() => 'not there')
  await box.close()
})

/**
 * As a user to whom the permissions of a folder mean something: to root they don't, unless it gives up that
 * privilege.
 */
async function unprivileged(...args: readonly string[]): Promise<Ended> {
  const dropped = ['setpriv', '--bounding-set=-dac_override', '--inh-caps=-dac_override']
  const [file = '', ...rest] = [...(process.getuid?.() === 0 ? dropped : []), process.execPath, CLI, ...args]
  const { exitCode, stdout, stderr } = await execa(file, rest, { cwd: box.dir, reject: false, input: '' })
  return { code: exitCode, out: stdout, err: stderr }
}

/** Of a file that only tries something, or is to become another one. */
const PROBE = /\.sluice-check|\.partial-|\.part\b|[0-9a-f]{8}-[0-9a-f]{4}-/u

test('check names the folder of a SQLite file that can’t be made, and what to do', async () => {
  await chmod(join(box.dir, 'data'), 0o555)
  const { code, err } = await unprivileged('check')
  expect(code).toBe(5)
  expect(err).toContain(`Could not write a file in the folder ${join(box.dir, 'data')} of the SQLite file `)
  expect(err).toMatch(
    /EACCES: permission denied\. .* let this user write into the folder, or use another path/u,
  )
  expect(err).not.toMatch(PROBE)
  expect(await readdir(join(box.dir, 'data'))).toEqual([])
})

test('put names the folder in which the file can’t be made', async () => {
  await chmod(join(box.dir, 'data'), 0o555)
  const { code, err } = await unprivileged('put', 'a', '{}')
  expect(code).toBe(5)
  expect(err).toContain(`Could not open or create the SQLite file in its folder ${join(box.dir, 'data')}: `)
  expect(err).toMatch(/Check the permissions of the file and of its directory/u)
})

test.each([
  ['the folder of all jobs', false],
  ['that of this queue, which was there before', true],
])('check names the folder of the jobs: %s', async (_, isThere) => {
  await mkdir(join(box.dir, 'jobs'))
  await box.run(['put', 'a', '{}'])
  if (isThere) await box.run(['check'])
  const [queue = ''] = isThere ? await readdir(join(box.dir, 'jobs')) : []
  const folders = [
    join(box.dir, 'jobs', queue, 'preparing'),
    join(box.dir, 'jobs', queue),
    join(box.dir, 'jobs'),
  ]
  for (const folder of folders) await chmod(folder, 0o555).catch(() => 'not there')
  const { code, err } = await unprivileged('check')
  for (const folder of folders.toReversed()) await chmod(folder, 0o755).catch(() => 'not there')
  expect(code).toBe(5)
  expect(err).toMatch(
    /permission denied \(EACCES \w+ in \S*jobs\S*\); let the user of the service write there, or name another/u,
  )
  expect(err).toContain(join(box.dir, 'jobs'))
  expect(err).not.toMatch(PROBE)
})

test('backup names the folder of the copy', async () => {
  await box.run(['put', 'a', '{}'])
  await mkdir(join(box.dir, 'jobs'))
  await chmod(join(box.dir, 'jobs'), 0o555)
  const { code, err } = await unprivileged('backup', 'jobs/copy.db')
  expect(code).toBe(5)
  expect(err).toMatch(
    /Could not write the copy in the folder \S*jobs: EACCES: permission denied\. Check the permissions/u,
  )
  expect(err).not.toMatch(PROBE)
})

test.each([['demo'], ['init', '--force']])('sluice %s does not report it as a bug', async (...args) => {
  await chmod(join(box.dir, 'sluice.config.yaml'), 0o444)
  await chmod(box.dir, 0o555)
  const { code, err } = await unprivileged(...args)
  expect(code).toBe(2)
  expect(err).toContain(box.dir)
  expect(err).toMatch(/permission denied|may not write/u)
  expect(err).not.toMatch(/bug/u)
})
