// What a user of a published package would trip over: publint reads the manifest and the files, attw resolves
// the types. And what all manifests share: one repository, and the packages that may run a script, once for
// each generation of pnpm.
import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { pinnedNode, root } from './setup.mjs'

let failed = false
const manifestOf = (folder) => JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
checkManifests()
checkBuildLists()
const folders = ['packages', 'apps'].flatMap((home) =>
  readdirSync(join(root, home)).map((name) => join(root, home, name)),
)
for (const folder of folders) {
  if (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).private) continue
  check(folder, ['publint/src/cli.js', 'run', folder, '--strict', '--pack', 'npm'])
  check(folder, ['@arethetypeswrong/cli/dist/index.js', '--pack', folder, '--profile', 'esm-only', '--quiet'])
}
process.exitCode = failed ? 1 : 0

/** npm refuses provenance where `repository` is not where the package was built. */
function checkManifests() {
  const { repository, devEngines } = manifestOf('.')
  if (repository?.url === undefined) complain('package.json', 'names no repository')
  // The pinned pnpm is named once, in packageManager; CONTRIBUTING says how to run with another.
  if (devEngines?.packageManager !== undefined)
    complain('package.json', 'must not have devEngines.packageManager')
  const homes = ['packages', 'apps'].flatMap((home) =>
    readdirSync(join(root, home)).map((name) => `${home}/${name}`),
  )
  for (const directory of [...homes, 'examples', 'bench']) {
    const wanted = JSON.stringify({ ...repository, directory })
    if (JSON.stringify(manifestOf(directory).repository) !== wanted)
      complain(`${directory}/package.json`, `must have "repository": ${wanted}`)
  }
}

/** pnpm 10 reads the first list, later ones the second. */
function checkBuildLists() {
  const { onlyBuiltDependencies, allowBuilds } = parse(
    readFileSync(join(root, 'pnpm-workspace.yaml'), 'utf8'),
  )
  const allowed = Object.keys(allowBuilds ?? {}).filter((name) => allowBuilds[name])
  if (allowed.toSorted().join() !== onlyBuiltDependencies.toSorted().join())
    complain('pnpm-workspace.yaml', 'must allow the same packages in onlyBuiltDependencies and allowBuilds')
}

function complain(file, text) {
  failed = true
  console.error(`${file} ${text}`)
}

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
