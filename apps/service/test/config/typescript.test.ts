import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CLI, Sandbox } from '../fixtures/sandbox.js'

let box: Sandbox

beforeEach(async () => {
  box = await Sandbox.open()
})

afterEach(() => box.close())

const CONFIG = "export default { queue: { package: 'memory', name: Name.Tiles as string } }\n"
const WITHOUT_ENUM = `const Name = { Tiles: 'tiles' } as const\n${CONFIG}`
const WITH_ENUM = `enum Name { Tiles = 'tiles' }\n${CONFIG}`

/** The built program: in this process vite would import the file. */
async function put(): Promise<{ code: number | undefined; out: string; err: string }> {
  const { exitCode, stdout, stderr } = await execa(process.execPath, [CLI, 'put', 'a', '{}'], {
    cwd: box.dir,
    reject: false,
  })
  return { code: exitCode, out: stdout, err: stderr }
}

test('types are stripped by Node, without a warning', async () => {
  await writeFile(join(box.dir, 'sluice.config.ts'), WITHOUT_ENUM)
  const { code, out, err } = await put()
  expect([code, out]).toEqual([0, expect.stringContaining('tiles')])
  expect(err).not.toContain('Warning')
})

test('an enum is refused with the advice to install jiti', async () => {
  await writeFile(join(box.dir, 'sluice.config.ts'), WITH_ENUM)
  const { code, err } = await put()
  expect(code).toBe(2)
  expect(err).toContain('npm install jiti')
})

test('an enum is read with the jiti beside the file', async () => {
  await writeFile(join(box.dir, 'sluice.config.ts'), WITH_ENUM)
  const modules = join(box.dir, 'node_modules')
  await mkdir(modules, { recursive: true })
  const installed = dirname(createRequire(import.meta.url).resolve('jiti/package.json'))
  await symlink(installed, join(modules, 'jiti'))
  const { code, out } = await put()
  expect([code, out]).toEqual([0, expect.stringContaining('tiles')])
})
