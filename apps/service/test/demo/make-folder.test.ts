import { mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeFolder } from '../../src/demo/make-folder.js'
import { Sandbox } from '../fixtures/sandbox.js'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-folder-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

test('concurrent calls for the same folders all succeed', async () => {
  const path = join(dir, 'a', 'b', 'c')
  await Promise.all(Array.from({ length: 16 }, () => makeFolder(path)))
  expect((await stat(path)).isDirectory()).toBe(true)
})

test.each([
  ['file', 'EEXIST'],
  ['file/a/b', 'EEXIST'],
  ['gone', 'EEXIST'],
  ['gone/a', 'EEXIST'],
  ['loop/a', 'EEXIST'],
])('a path that cannot be a folder is refused: %s', async (path, code) => {
  await writeFile(join(dir, 'file'), '')
  await symlink('nowhere', join(dir, 'gone'))
  await symlink('loop', join(dir, 'loop'))
  await expect(makeFolder(join(dir, path))).rejects.toMatchObject({ code })
})

test.runIf(process.platform === 'linux')('a read-only file system ends it', async () => {
  await expect(makeFolder('/proc/sluice/demo')).rejects.toMatchObject({ code: 'ENOENT' })
})

test('a demo whose folder can’t be created is not reported as a bug', async () => {
  const box = await Sandbox.open()
  await symlink('nowhere', join(box.dir, '.sluice'))
  const { code, err } = await box.run(['demo'])
  await box.close()
  expect(code).toBe(2)
  expect(err).toContain('Could not create or write .sluice in the folder ')
  expect(err).not.toMatch(/bug/u)
})
