// What the types of all packages cost a program that imports every entry: instantiations, as the compiler
// counts them. The record is committed, so that a change that makes them more expensive is seen in review.
//   node scripts/type-cost.mjs           writes the record
//   node scripts/type-cost.mjs --check   fails where they cost over 5 % more than the record says
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pinnedNode, root } from './setup.mjs'

const MAX_GROWTH = 1.05
const record = join(root, 'scripts/type-cost.json')
const require = createRequire(join(root, 'packages/core/package.json'))
const typescript = require('typescript/package.json').version

const entries = readdirSync(join(root, 'packages')).flatMap((folder) => {
  const manifest = JSON.parse(readFileSync(join(root, 'packages', folder, 'package.json'), 'utf8'))
  if (manifest.private) return []
  const typed = Object.entries(manifest.exports).filter(([, target]) => typeof target === 'object')
  return typed.map(([entry, { types }]) => ({
    name: `${manifest.name}${entry.slice(1)}`,
    types: join(root, 'packages', folder, types),
  }))
})
const instantiations = measure()
const recorded = existsSync(record) ? JSON.parse(readFileSync(record, 'utf8')) : undefined
if (process.argv.includes('--check')) check()
else {
  writeFileSync(
    record,
    `${JSON.stringify({ typescript, entries: entries.length, instantiations }, null, 2)}\n`,
  )
  console.log(`type cost: ${instantiations} instantiations for ${entries.length} entries, recorded`)
}

function check() {
  const limit = Math.floor((recorded?.instantiations ?? 0) * MAX_GROWTH)
  console.log(`type cost: ${instantiations} instantiations for ${entries.length} entries; at most ${limit}`)
  if (instantiations <= limit) return
  console.error(
    'The types cost more than the record says. If that is meant, run `node scripts/type-cost.mjs` and commit it',
  )
  process.exitCode = 1
}

/** Inside the repository, since the packages' own dependencies are found from there. */
function measure() {
  const folder = mkdtempSync(join(root, 'node_modules/.type-cost-'))
  try {
    const lines = entries.map(
      ({ types }, index) =>
        `export * as entry${index} from ${JSON.stringify(types.replace(/\.d\.ts$/u, '.js'))}`,
    )
    writeFileSync(join(folder, 'all.ts'), `${lines.join('\n')}\n`)
    const compilerOptions = {
      target: 'ES2023',
      lib: ['ES2024', 'ESNext.Disposable'],
      module: 'NodeNext',
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      types: ['node'],
      typeRoots: [join(root, 'packages/core/node_modules/@types')],
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['all.ts'] }))
    const tsc = require.resolve('typescript/bin/tsc')
    const output = execFileSync(
      pinnedNode,
      [tsc, '-p', folder, '--extendedDiagnostics', '--skipLibCheck', 'false'],
      {
        encoding: 'utf8',
      },
    )
    return Number(/^Instantiations:\s+(\d+)$/mu.exec(output)?.[1])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
