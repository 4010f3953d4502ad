// The arrows of ARCHITECTURE.md: which package may import which. knip refuses an import that package.json
// doesn't declare, so the declared dependencies are what has to be held against the picture; imports by path
// across packages are refused here.
import { globSync, readFileSync, readdirSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { root } from './setup.mjs'

/** Group → what its runtime code may import, and what its tests may import beside that. */
const arrows = {
  core: { runtime: [], tests: [] },
  testkit: { runtime: ['core'], tests: [] },
  // What tests run against in place of the real one. Nothing depends on them at run time: the service loads
  // them by name.
  fake: { runtime: ['core', 'testkit'], tests: [] },
  queue: { runtime: ['core'], tests: ['testkit', 'fake'] },
  worker: { runtime: ['core'], tests: ['testkit', 'fake'] },
  // What it promises is seen only when a whole service runs on it. The engine's own tests don't know it, so
  // this is no circle.
  'worker-argo': { runtime: ['core'], tests: ['testkit', 'fake', 'engine', 'queue'] },
  engine: { runtime: ['core'], tests: ['testkit', 'queue', 'worker'] },
  // Private: it plays whole systems.
  simulator: { runtime: ['core', 'engine', 'testkit', 'queue', 'worker'], tests: [] },
  service: { runtime: ['core', 'engine', 'testkit'], tests: ['queue', 'worker', 'fake'] },
}

const group = (name) => name.replace('@sluice/', '').replace(/^(queue|worker|fake)-.*/u, '$1')
const arrowsOf = (name) => arrows[name.replace('@sluice/', '')] ?? arrows[group(name)]
const wrong = []
for (const home of ['packages', 'apps']) {
  for (const folder of readdirSync(join(root, home))) checkPackage(join(root, home, folder))
}

function checkPackage(folder) {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const allowed = arrowsOf(manifest.name)
  if (allowed === undefined) {
    wrong.push(`${manifest.name}: no arrows are declared for it in scripts/check-arrows.mjs`)
    return
  }
  const runtime = { ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.optionalDependencies }
  check(manifest.name, Object.keys(runtime), allowed.runtime)
  check(manifest.name, Object.keys(manifest.devDependencies ?? {}), [...allowed.runtime, ...allowed.tests])
  for (const file of globSync('{src,test}/**/*.ts', { cwd: folder })) checkFile(folder, file)
}

function check(name, dependencies, allowed) {
  for (const dependency of dependencies.filter((each) => each.startsWith('@sluice/'))) {
    if (!allowed.includes(group(dependency))) wrong.push(`${name} must not depend on ${dependency}`)
  }
}

function checkFile(folder, file) {
  const text = readFileSync(join(folder, file), 'utf8')
  for (const [, path] of text.matchAll(/(?:from|import\()\s*'(\.[^']*)'/gu)) {
    const target = relative(folder, resolve(folder, file, '..', path))
    if (target.startsWith('..'))
      wrong.push(`${relative(root, join(folder, file))} reaches out of its package: ${path}`)
  }
}

const benches = JSON.parse(readFileSync(join(root, 'bench/package.json'), 'utf8'))
if (benches.private !== true)
  wrong.push('@sluice/bench depends on the rivals it measures, and must stay private')

for (const line of wrong) console.error(`arrow: ${line}`)
if (wrong.length > 0) process.exit(1)
console.log('arrows: as drawn')
