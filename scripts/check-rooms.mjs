// Holds the sizes of ARCHITECTURE.md: how many files a folder has before it needs rooms, and how long files
// and functions are. Lint has the hard limits; this has the 95th percentiles, which say what is usual.
//   node scripts/check-rooms.mjs --list   also names the largest, and fragments: short files that one other file imports
import { globSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { root } from './setup.mjs'

const MAX_FILES = 15
const FILE_P95 = 250
const FUNCTION_P95 = 24
const FRAGMENT_LINES = 20

const ts = createRequire(join(root, 'packages/core/package.json'))('typescript')
const files = globSync(['packages/*/src/**/*.ts', 'apps/*/src/**/*.ts'], { cwd: root }).map((path) => {
  const text = readFileSync(join(root, path), 'utf8')
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  return {
    path,
    lines: codeLines(source, 0, text.length),
    functions: functionsOf(source),
    imports: importsOf(path, source),
  }
})
const problems = []

const folders = Map.groupBy(files, ({ path }) => dirname(path))
for (const [folder, { length }] of folders)
  if (length > MAX_FILES)
    problems.push(`${folder} has ${length} files: more than ${MAX_FILES} need folders that say what they are`)

const fileP95 = percentile(files.map(({ lines }) => lines))
if (fileP95 > FILE_P95)
  problems.push(`the 95th percentile of files is ${fileP95} lines of code; at most ${FILE_P95}`)
const functions = files.flatMap(({ path, functions: all }) => all.map((each) => ({ path, ...each })))
const functionP95 = percentile(functions.map(({ lines }) => lines))
if (functionP95 > FUNCTION_P95)
  problems.push(`the 95th percentile of functions is ${functionP95} lines of code; at most ${FUNCTION_P95}`)

console.log(
  `rooms: ${files.length} files in ${folders.size} folders, p95 ${fileP95} lines; ${functions.length} functions, p95 ${functionP95} lines`,
)
if (process.argv.includes('--list')) list()
for (const problem of problems) console.error(`rooms: ${problem}`)
if (problems.length > 0) process.exitCode = 1

function list() {
  const importers = new Map()
  for (const { path, imports } of files)
    for (const target of imports) importers.set(target, [...(importers.get(target) ?? []), path])
  const fragments = files.filter(
    ({ path, lines }) => lines <= FRAGMENT_LINES && importers.get(path)?.length === 1,
  )
  for (const { path, lines } of fragments)
    console.log(`  fragment, ${lines} lines: ${path} <- ${importers.get(path)[0]}`)
  const longest = functions.toSorted((a, b) => b.lines - a.lines).slice(0, 20)
  for (const { path, name, lines } of longest) console.log(`  function, ${lines} lines: ${name} in ${path}`)
  for (const { path, lines } of files.toSorted((a, b) => b.lines - a.lines).slice(0, 10))
    console.log(`  file, ${lines} lines: ${path}`)
  for (const [folder, { length }] of folders)
    if (length > 12) console.log(`  folder, ${length} files: ${folder}`)
}

/** Lines that have a token: no comments, no blank lines. */
function codeLines(source, from, to) {
  const lines = new Set()
  const visit = (node) => {
    if (node.getEnd() <= from || node.getStart(source) >= to) return
    if (ts.isToken(node) || node.getChildCount(source) === 0) {
      const first = source.getLineAndCharacterOfPosition(node.getStart(source)).line
      const last = source.getLineAndCharacterOfPosition(node.getEnd()).line
      if (node.getEnd() > node.getStart(source)) for (let line = first; line <= last; line++) lines.add(line)
      return
    }
    for (const child of node.getChildren(source)) if (!ts.isJSDoc(child)) visit(child)
  }
  visit(source)
  return lines.size
}

/**
 * Functions and methods with a body of their own, by their lines of code; what is passed inline counts too.
 */
function functionsOf(source) {
  const found = []
  const visit = (node) => {
    if (ts.isFunctionLike(node) && node.body !== undefined) {
      const lines = codeLines(source, node.getStart(source), node.getEnd())
      found.push({ name: node.name?.getText(source) ?? '(inline)', lines })
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

function importsOf(path, source) {
  return source.statements.flatMap((statement) => {
    const from = statement.moduleSpecifier?.text
    if (from === undefined || !from.startsWith('.')) return []
    return [relative(root, resolve(root, dirname(path), from)).replace(/\.js$/u, '.ts')]
  })
}

function percentile(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.ceil(sorted.length * 0.95) - 1] ?? 0
}
