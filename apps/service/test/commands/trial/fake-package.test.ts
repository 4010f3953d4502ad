import { cp, mkdir, readdir, symlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CLI, Sandbox } from '../../fixtures/sandbox.js'

const SERVICE = resolve(dirname(CLI), '..')
let box: Sandbox

beforeEach(async () => {
  box = await Sandbox.open()
})
afterEach(() => box.close())

/** The built service with all that it depends on, and without what only its tests have. */
async function installed(): Promise<string> {
  const home = join(box.dir, 'installed')
  await cp(dirname(CLI), join(home, 'dist'), { recursive: true })
  await cp(join(SERVICE, 'package.json'), join(home, 'package.json'))
  const modules = join(SERVICE, 'node_modules')
  const scopes = (await readdir(modules)).filter((name) => name.startsWith('@'))
  for (const scope of scopes) await mkdir(join(home, 'node_modules', scope), { recursive: true })
  const inScopes = await Promise.all(
    scopes.map(async (scope) => (await readdir(join(modules, scope))).map((name) => `${scope}/${name}`)),
  )
  const names = [...(await readdir(modules)).filter((name) => !/^[@.]/u.test(name)), ...inScopes.flat()]
  for (const name of names.filter((each) => !each.startsWith('@sluice/fake-')))
    await symlink(join(modules, name), join(home, 'node_modules', name))
  return join(home, 'dist', 'cli.js')
}

test.each([
  { args: ['argo-fake', '--port', '0'], name: '@sluice/fake-argo' },
  { args: ['demo', '--argo', '--items', '3'], name: '@sluice/fake-argo' },
  { args: ['s3-fake', '--port', '0'], name: '@sluice/fake-s3' },
])('without $name, sluice $args prints the line that installs it', async ({ args, name }) => {
  const cli = await installed()
  const { exitCode, stderr } = await execa(process.execPath, [cli, ...args], { cwd: box.dir, reject: false })
  expect({ exitCode, stderr }).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining(`The package ${name} is not installed. Run:\n  npm install ${name}`),
  })
  // Installed beside the configuration, it is found there.
  const modules = join(box.dir, 'node_modules', '@sluice')
  await mkdir(modules, { recursive: true })
  await symlink(join(SERVICE, 'node_modules', name), join(modules, name.replace('@sluice/', '')))
  if (args[0] === 'demo') return
  const child = execa(process.execPath, [cli, ...args, '--json'], { cwd: box.dir, reject: false })
  for await (const line of child) {
    expect(line).toContain('http://127.0.0.1')
    child.kill('SIGINT')
  }
  expect(await child).toMatchObject({ exitCode: 0 })
})
