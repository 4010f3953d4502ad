import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openWorker } from '../../src/index.js'
import { FolderError, makeFolder } from '../../src/disk/make-folder.js'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sluice-folder-'))
})
afterEach(() => {
  rmSync(dir, { recursive: true, force: true })
})

test('makes each folder that is missing, for this user alone', async () => {
  await makeFolder(join(dir, 'a', 'b', 'c'))
  for (const path of ['a', 'a/b', 'a/b/c']) expect(statSync(join(dir, path)).mode & 0o777).toBe(0o700)
})

test('one that is there is left as it is, behind a link too', async () => {
  mkdirSync(join(dir, 'there'), { mode: 0o755 })
  symlinkSync('there', join(dir, 'link'))
  await makeFolder(join(dir, 'link'))
  expect(statSync(join(dir, 'there')).mode & 0o777).toBe(0o755)
  await makeFolder(join(dir, 'link', 'a'))
  expect(existsSync(join(dir, 'there', 'a'))).toBe(true)
})

test('many that make the same folders at once all have them', async () => {
  await Promise.all(Array.from({ length: 16 }, () => makeFolder(join(dir, 'a', 'b', 'c', 'd'))))
  expect(existsSync(join(dir, 'a', 'b', 'c', 'd'))).toBe(true)
})

test.each([
  ['a file', 'file', 'file is not a folder'],
  ['below a file', 'file/a/b', 'file is not a folder'],
  ['a link that leads nowhere', 'gone', 'gone is a symbolic link to nowhere/at/all, which is not there'],
  ['below such a link', 'gone/a/b', 'gone is a symbolic link to nowhere/at/all, which is not there'],
  ['a link to itself', 'loop/a', 'a can’t be used (ELOOP)'],
  ['too long a name', `a/${'x'.repeat(300)}`, 'can’t be used (ENAMETOOLONG)'],
])('a path that can be no folder says which and why: %s', async (_, path, why) => {
  writeFileSync(join(dir, 'file'), '')
  symlinkSync('nowhere/at/all', join(dir, 'gone'))
  symlinkSync('loop', join(dir, 'loop'))
  const wanted = join(dir, path)
  const error: unknown = await makeFolder(wanted).catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(FolderError)
  expect(String(error)).toContain(`Could not make the folder ${wanted}: ${dir}/`)
  expect(String(error)).toContain(why)
})

test.runIf(process.platform === 'linux')('a file system that allows no folder ends it', async () => {
  await expect(makeFolder('/proc/sluice/jobs')).rejects.toThrow(
    'Could not make the folder /proc/sluice/jobs: the file system lets no folder be made in /proc',
  )
})

test('a worker whose dir can be no folder says so when it is opened', async () => {
  symlinkSync('nowhere', join(dir, 'gone'))
  const options = { name: 'tiles', command: ['true'], dir: join(dir, 'gone', 'jobs') }
  await expect(openWorker(options)).rejects.toMatchObject({
    code: 'SLUICE_CONFIG_INVALID',
    message: expect.stringMatching(
      /^Could not make the folder \S+\/gone\/jobs: \S+\/gone is a symbolic link to nowhere, which is not there\. Name a folder that can be made as `dir`/u,
    ),
  })
})
