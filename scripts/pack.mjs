// Packs packages as they would be published, to install them elsewhere before they are on
// npm. It builds them first, and needs nothing but Node and npm.
//   node scripts/pack.mjs FOLDER NAME…      such as: node scripts/pack.mjs ../my-queue core engine testkit
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build, fail, install, root, runPnpm, say } from './setup.mjs'

const [folder, ...names] = process.argv.slice(2)
if (folder === undefined || names.length === 0)
  fail('say where to, and which: node scripts/pack.mjs FOLDER NAME…')
const place = resolve(folder)
const homes = names.map((name) =>
  ['packages', 'apps'].map((group) => join(root, group, name)).find(isPackage),
)
const unknown = names.filter((_, index) => homes[index] === undefined)
if (unknown.length > 0) fail(`there is no package ${unknown.join(', ')}`)

// A check that has built everything already is at its tests meanwhile: nothing may change under them.
if (process.env['SLUICE_BUILT'] !== '1') {
  await install()
  await build()
}
mkdirSync(place, { recursive: true })
say(`packing ${names.join(', ')}`)
for (const home of homes) {
  const code = await runPnpm(['pack', '--pack-destination', place], { cwd: home, quiet: true })
  if (code !== 0) fail(`packing ${home} ended with exit code ${code}`)
}
const packed = readdirSync(place).filter((file) => file.endsWith('.tgz'))
if (packed.length < names.length)
  fail(`${names.length} tarballs were expected in ${place}, there are ${packed.length}`)
for (const file of packed) console.log(join(place, file))

function isPackage(home) {
  return existsSync(join(home, 'package.json'))
}
