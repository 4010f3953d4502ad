import { open, stat } from 'node:fs/promises'
import { basename, delimiter, resolve } from 'node:path'
import { findProgram, isExecutable, type ProgramSearch } from './program.js'
import { absentAsUndefined } from '../disk/record.js'

/** Linux reads no more of a program to find out what runs it. */
const FIRST_BYTES = 256
/** An interpreter may be a script itself; this many are followed. */
const MAX_SCRIPTS = 4

/** The first line of a script. */
interface FirstLine {
  readonly interpreter: string
  /** All that follows, which Linux hands over as one argument. */
  readonly rest: string
}

/**
 * Why a program that is there can't be started: its first line names an interpreter that is not there or not
 * executable. The system and shells report it as if the script itself were missing.
 *
 * @param program the full path of an executable file
 * @returns `undefined` where nothing is wrong, and of what is no script
 */
export async function interpreterProblem(
  program: string,
  search: ProgramSearch,
): Promise<string | undefined> {
  let script = program
  for (let depth = 0; depth < MAX_SCRIPTS; depth++) {
    const line = await firstLineOf(script)
    if (line === undefined) return undefined
    const { interpreter } = line
    const named = `the first line of ${script} names the interpreter ${JSON.stringify(interpreter)}`
    if (!(await isExecutable(resolve(search.cwd, interpreter))))
      return `${named}, and there is no such executable program${carriageAdvice(interpreter, script)}`
    const searched = basename(interpreter) === 'env' ? searchedByEnv(line.rest) : undefined
    if (searched !== undefined && (await findProgram(searched, search)) === undefined)
      return `${named} for the program ${JSON.stringify(searched)}, which is not in PATH ${search.path}${carriageAdvice(searched, script)}`
    script = resolve(search.cwd, interpreter)
  }
  return undefined
}

function carriageAdvice(name: string, script: string): string {
  if (!name.endsWith('\r')) return ''
  return `: the line ends with a carriage return, as files from Windows do; remove those of ${script} (dos2unix, or sed -i 's/\\r$//')`
}

async function firstLineOf(file: string): Promise<FirstLine | undefined> {
  const text = await beginOf(file)
  const [line = ''] = text.split('\n', 1)
  const [, interpreter = '', rest = ''] = /^#![ \t]*([^ \t]+)[ \t]*(.*?)[ \t]*$/su.exec(line) ?? []
  return interpreter === '' ? undefined : { interpreter, rest }
}

async function beginOf(file: string): Promise<string> {
  // One that may be run and not be read: its interpreter is not known.
  const handle = await open(file, 'r').catch(() => undefined)
  if (handle === undefined) return ''
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(FIRST_BYTES), 0, FIRST_BYTES, 0)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await handle.close()
  }
}

/**
 * The program that `env` searches for: its whole argument, or with `-S` the first word that is no option and
 * no variable.
 */
function searchedByEnv(rest: string): string | undefined {
  const [, words] = /^(?:-S|--split-string=?)[ \t]*(.*)$/su.exec(rest) ?? []
  if (words === undefined) return rest === '' || rest.startsWith('-') || rest.includes('=') ? undefined : rest
  const first = words.split(/[ \t]+/u).find((word) => !word.includes('='))
  // Options, quotes and escapes are env's own to read.
  return first === undefined || /^-|["'\\$]/u.test(first) ? undefined : first
}

const SHELL = /^(?:ba|da|k|z|a)?sh$/u

/**
 * Interpreters that take a script as their first argument behind options, and those of the options that take
 * no argument of their own.
 */
const SCRIPT_RUNNERS: readonly (readonly [RegExp, RegExp])[] = [
  [SHELL, /^(?:-[abefhuvx]+|--(?:norc|noprofile|posix))$/u],
  [/^(?:python|pypy)[\d.]*$/u, /^-[bBdEIOPqsSuvx]+$/u],
  [/^(?:node|nodejs|bun)$/u, /^--(?:no-warnings|enable-source-maps)$/u],
  [/^(?:perl|ruby)[\d.]*$/u, /^-[wW]$/u],
  [/^(?:Rscript|php|lua[\d.]*|julia)$/u, /^--(?:vanilla|no-init-file)$/u],
]

/** The report about a script that is not there. */
export interface MissingScript {
  /** No job can succeed. */
  readonly wrong?: string
  /** The interpreter may find something else by that name. */
  readonly doubtful?: string
}

/** Those that take a word for a command of theirs, or complete it, where there is no such file. */
const FINDS_ELSEWHERE = /^(?:node|nodejs|bun|php|julia)$/u

/**
 * The report about a command that hands a script to an interpreter, such as `python3 -u job.py`, where there
 * is no such file: it opens just that path, from the folder in which the jobs run.
 *
 * @param command as it is written, placeholders among it
 */
export async function missingScript(
  [program = '', ...args]: readonly string[],
  search: ProgramSearch,
): Promise<MissingScript> {
  const script = scriptArgument(program, args)
  if (script === undefined || (await isThere(resolve(search.cwd, script)))) return {}
  const name = basename(program)
  const isBare = !script.includes('/')
  // Shells search PATH for one without a slash.
  if (isBare && SHELL.test(name) && (await isInPath(script, search))) return {}
  const text = `the command runs the script ${JSON.stringify(script)} by ${program}, and there is no such file in ${search.cwd}: every job would fail`
  return isCertain(name, script) ? { wrong: text } : { doubtful: text }
}

/**
 * Node.js completes a path without an ending by that of a module, and others have commands of their own; none
 * does so with an ending that is there.
 */
function isCertain(interpreter: string, script: string): boolean {
  if (script.includes('://')) return false
  return !FINDS_ELSEWHERE.test(interpreter) || /\.(?:[cm]?[jt]sx?|php|jl)$/u.test(script)
}

async function isInPath(name: string, { cwd, path }: ProgramSearch): Promise<boolean> {
  const found = await Promise.all(path.split(delimiter).map((folder) => isThere(resolve(cwd, folder, name))))
  return found.includes(true)
}

async function isThere(path: string): Promise<boolean> {
  return (await absentAsUndefined(() => stat(path))) !== undefined
}

/**
 * The script among the arguments. After an option such as `-c`, which replaces the script, and after an
 * unknown one there is none.
 */
function scriptArgument(program: string, args: readonly string[]): string | undefined {
  const runner = SCRIPT_RUNNERS.find(([name]) => name.test(basename(program)))
  const script = runner === undefined ? undefined : args.find((each) => !runner[1].test(each))
  return script === undefined || script.startsWith('-') || /[{}]/u.test(script) ? undefined : script
}
