// What a user of a published package would trip over: publint reads the manifest and the files, attw resolves the types.
import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pinnedNode, root } from './setup.mjs'

let failed = false
const folders = ['packages', 'apps'].flatMap((home) =>
  readdirSync(join(root, home)).map((name) => join(root, home, name)),
)
for (const folder of folders) {
  if (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).private) continue
  check(folder, ['publint/src/cli.js', 'run', folder, '--strict', '--pack', 'npm'])
  check(folder, ['@arethetypeswrong/cli/dist/index.js', '--pack', folder, '--profile', 'esm-only', '--quiet'])
}
process.exitCode = failed ? 1 : 0

function check(folder, [tool, ...args]) {
  try {
    execFileSync(pinnedNode, [join(root, 'node_modules', tool), ...args], {
      encoding: 'utf8',
      stdio: 'pipe',
      cwd: folder,
    })
  } catch (error) {
    failed = true
    console.error(`${folder.slice(root.length + 1)}: ${tool}\n${error.stdout}${error.stderr}`)
  }
}
