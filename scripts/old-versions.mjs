// Builds what the tests of two versions on one queue run: a queue's package as it was at the last commit
// before each change of its layout, with the core of that commit, in one file. Libraries stay outside, and
// are those that are installed. `--check` builds them again and compares, where the history is there: a
// shallow clone has none of it.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './setup.mjs'

const VERSIONS = [
  { of: 'queue-sql', layout: 'schema-1', commit: '5127c2261bdd39c5c53ebbe63fbd8c9c669a2427' },
  { of: 'queue-sql', layout: 'schema-2', commit: '379d9a1c5186f253ebc9920e96560ab53751d262' },
  { of: 'queue-sql', layout: 'schema-3', commit: '8aa911d8085ad05f5f8cb65972c785cf2d9a00b4' },
  { of: 'queue-sql', layout: 'schema-4', commit: '25f6554ce6de616f8c1c03777a51b3dbfdf2ec59' },
  { of: 'queue-s3', layout: 'format-1', commit: 'bcd73900e87737acae679aa5e6dc80e747029c0b' },
  { of: 'queue-s3', layout: 'draft-1', commit: '379d9a1c5186f253ebc9920e96560ab53751d262' },
  { of: 'queue-s3', layout: 'draft-2', commit: '8aa911d8085ad05f5f8cb65972c785cf2d9a00b4' },
  { of: 'queue-s3', layout: 'draft-3', commit: '8361bd649df8c308001a889bfdeb0959a1562158' },
  { of: 'queue-s3', layout: 'draft-4', commit: '4465a238b9933cfa1c5f9caee342cc6b864dcb23' },
]
const LIBRARIES = ['@aws-sdk/*', '@smithy/*', 'kysely', 'lru-cache', 'p-limit', 'pg', 'zod']

const esbuild = await loadEsbuild()
const isCheck = process.argv.includes('--check')
for (const version of VERSIONS) {
  const file = join('packages', version.of, 'test/old-versions', `${version.layout}.mjs`)
  const name = `${version.of} of ${version.layout}`
  if (!hasCommit(version.commit)) {
    console.log(`skip ${name}: this clone has no commit ${version.commit}`)
    continue
  }
  const text = await build(version)
  const path = join(root, file)
  if (!isCheck) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    console.log(`made ${file}, ${text.length} bytes`)
  } else if (existsSync(path) && readFileSync(path, 'utf8') === text) console.log(`ok   ${name}`)
  else {
    console.error(`${file} is not what ${version.commit} builds: run node scripts/old-versions.mjs`)
    process.exitCode = 1
  }
}

/** The one that tsup brings: its version is pinned by the lock file, and so is the text that it makes. */
async function loadEsbuild() {
  const ofCore = createRequire(join(root, 'packages/core/package.json'))
  const ofTsup = createRequire(ofCore.resolve('tsup'))
  return import(pathToFileURL(ofTsup.resolve('esbuild')).href)
}

function hasCommit(commit) {
  try {
    execFileSync('git', ['cat-file', '-e', `${commit}^{commit}`], { cwd: root, stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

async function build({ of, layout, commit }) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-old-'))
  try {
    const archive = execFileSync('git', ['archive', commit, 'packages/core', `packages/${of}`], {
      cwd: root,
      maxBuffer: 2 ** 28,
    })
    execFileSync('tar', ['x', '-C', folder], { input: archive })
    const { outputFiles } = await esbuild.build({
      absWorkingDir: folder,
      entryPoints: [`packages/${of}/src/index.ts`],
      alias: {
        '@sluice/core': join(folder, 'packages/core/src/index.ts'),
        '@sluice/core/backend': join(folder, 'packages/core/src/backend/index.ts'),
      },
      external: LIBRARIES,
      banner: {
        js: `// @sluice/${of} of ${layout}, commit ${commit}; built by scripts/old-versions.mjs with esbuild ${esbuild.version}`,
      },
      tsconfigRaw: {},
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      minifyWhitespace: true,
      minifySyntax: true,
      charset: 'utf8',
      legalComments: 'none',
      logLevel: 'error',
    })
    return outputFiles[0].text
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
