// Every program that the documentation shows: each `ts` and `js` block of the READMEs, CONTRIBUTING,
// ARCHITECTURE and docs/*.md, and the programs under examples/, are compiled under `strict` against the
// packages as they are built. A reader copies them.
//   node scripts/check-blocks.mjs
// A block behind `<!-- file: NAME -->` has that name, so that another block of the same document can import
// it.
import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { root, say } from './setup.mjs'

const ts = createRequire(join(root, 'packages/core/package.json'))('typescript')
const place = join(root, 'node_modules/.cache/sluice-blocks')

/** Modules that a reader has, and the documentation leaves out. */
const READERS_OWN = {
  'docs/writing-a-backend.md': {
    'my-store.ts':
      "import type { Queue } from '@sluice/core'\n" +
      "import type { CrashingQueue } from '@sluice/testkit'\n" +
      'export declare function createStore(): Promise<{ openQueue(name: string): Promise<Queue>; advance(ms: number): Promise<void>; ' +
      'openCrashing(point: number): Promise<CrashingQueue>; drop(): Promise<void> }>\n',
  },
  'docs/writing-a-worker.md': {
    'my-place.ts':
      "import type { JobRef, Worker } from '@sluice/core'\n" +
      'export declare function startPlace(): Promise<{ openWorker(name: string): Promise<Worker>; ' +
      "finish(job: JobRef, how: 'SUCCESS' | 'FAIL'): Promise<void>; starts(job: JobRef): Promise<number>; close(): Promise<void> }>\n",
  },
  'packages/testkit/README.md': {
    'my-queue.ts':
      "import type { Queue } from '@sluice/core'\n" +
      'export declare function createStore(): Promise<{ openQueue(options: { name: string }): Promise<Queue>; drop(): Promise<void> }>\n',
    'my-package.ts':
      "import type { QueuePackage } from '@sluice/core'\n" +
      "export declare const openQueue: QueuePackage['openQueue']\n" +
      "export declare const listQueues: NonNullable<QueuePackage['listQueues']>\n" +
      "export declare const dropQueue: NonNullable<QueuePackage['dropQueue']>\n",
  },
}

rmSync(place, { recursive: true, force: true })
linkPackages()
const sources = [...blocks(), ...examples()]
const programs = sources.map(({ file }) => file)
// JavaScript has no place for the types of parameters: all else of `strict` holds for it.
const failures = [
  ...compile(
    programs.filter((file) => file.endsWith('.ts')),
    {},
  ),
  // What a reader copies stands under `strict` alone as well.
  ...compile(
    programs.filter((file) => file.endsWith('.ts')),
    { exactOptionalPropertyTypes: false, noUncheckedIndexedAccess: false },
  ),
  ...compile(
    programs.filter((file) => !file.endsWith('.ts')),
    { noImplicitAny: false },
  ),
]
for (const failure of failures) console.error(failure)
say(`${sources.length} programs of the documentation compiled, ${failures.length} mistakes`)
rmSync(place, { recursive: true, force: true })
const broken = Math.min(new Set(failures.map((failure) => failure.split(':', 1)[0])).size, sources.length)
console.log(`tests: ${sources.length - broken} passed, ${broken} failed, 0 skipped`)
if (sources.length === 0) console.error('no program was found: is the pattern right?')
process.exitCode = failures.length > 0 || sources.length === 0 ? 1 : 0

/** As npm would install them: with their own `exports`, and nothing that isn't theirs. */
function linkPackages() {
  const modules = join(place, 'node_modules')
  for (const name of readdirSync(join(root, 'packages')))
    link(`@sluice/${name}`, join(root, 'packages', name))
  link('@aws-sdk/client-s3', join(root, 'packages/queue-s3/node_modules/@aws-sdk/client-s3'))
  link('@types/node', join(root, 'packages/core/node_modules/@types/node'))
  link('vitest', join(root, 'packages/testkit/node_modules/vitest'))

  function link(name, target) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(target, join(modules, name))
  }
}

function* blocks() {
  const documents = execFileSync('git', ['ls-files', '*.md'], { cwd: root, encoding: 'utf8' })
    .trim()
    .split('\n')
  for (const document of documents.filter((name) => !name.startsWith('.changeset/'))) {
    const folder = join(place, document.replaceAll('/', '+'))
    for (const [name, text] of Object.entries(READERS_OWN[document] ?? {})) write(join(folder, name), text)
    const text = readFileSync(join(root, document), 'utf8')
    const found = text.matchAll(
      /(?:<!-- file: (\S+) -->\n+)?^```(?:ts|js|typescript|javascript|mjs)\n([\s\S]*?)^```$/gmu,
    )
    for (const match of found) {
      const [whole, name, program] = match
      const line = text.slice(0, match.index + whole.indexOf('```')).split('\n').length
      const file = join(folder, name ?? `line-${line}.ts`)
      // The lines of a mistake are then those of the document.
      write(file, `${'\n'.repeat(line)}${program}\nexport {}\n`)
      yield { file }
    }
  }
}

function* examples() {
  for (const name of execFileSync('git', ['ls-files', 'examples/*.mjs', 'examples/*.ts'], {
    cwd: root,
    encoding: 'utf8',
  })
    .trim()
    .split('\n')) {
    const file = join(place, name)
    write(file, readFileSync(join(root, name), 'utf8'))
    yield { file }
  }
}

function write(file, text) {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

function compile(files, more) {
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(root, 'tsconfig.base.json'), ts.sys.readFile).config,
    ts.sys,
    root,
  )
  const program = ts.createProgram(files, {
    ...options,
    typeRoots: [join(place, 'node_modules/@types')],
    allowJs: true,
    checkJs: true,
    // A block may leave a name unused that the text goes on to speak of.
    noUnusedLocals: false,
    noUnusedParameters: false,
    ...more,
  })
  return ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
    const message = ts.flattenDiagnosticMessageText(messageText, ' ')
    if (file === undefined) return message
    const line = file.getLineAndCharacterOfPosition(start).line
    const [folder, ...rest] = relative(place, file.fileName).split('/')
    const isBlock = folder.endsWith('.md')
    const document = isBlock ? folder.replaceAll('+', '/') : [folder, ...rest].join('/')
    return `${document}:${isBlock ? line : line + 1}: ${message}`
  })
}
