import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { extname, join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { SluiceError } from '@sluice/core'
import type { createJiti } from 'jiti'
import { messageOf } from '../cli/command-error.js'
import { isTree, valueAt, type ConfigLayer } from './config-layer.js'

/** The names of configuration files; two of them in one directory are refused. */
export const CONFIG_FILES = ['ts', 'mts', 'mjs', 'js', 'json', 'yaml', 'yml', 'toml'].map(
  (extension) => `sluice.config.${extension}`,
)

/** A configuration file. */
export interface ConfigFile {
  readonly path: string
  readonly layer: ConfigLayer
}

/** The content of a file, and the line of a setting where the format has lines. */
interface Parsed {
  readonly content: unknown
  readonly lineOf: (path: readonly string[]) => number | undefined
}

/**
 * Finds the configuration file of a directory.
 *
 * @param given `--config` or `SLUICE_CONFIG`, relative to `cwd`
 * @returns `undefined` where none was given and none exists
 * @throws SluiceError SLUICE_CONFIG_INVALID where the given one does not exist, or where there are several
 */
export function findConfigFile(cwd: string, given?: { path: string; place: string }): string | undefined {
  if (given !== undefined) {
    const path = resolve(cwd, given.path)
    if (existsSync(path)) return path
    throw invalid(`The configuration file ${shown(cwd, path)} does not exist (set by ${given.place}).`)
  }
  const found = CONFIG_FILES.filter((name) => existsSync(join(cwd, name)))
  if (found.length > 1) {
    throw invalid(
      `There are ${found.length} configuration files: ${found.join(', ')}. Keep one, or select one with --config FILE.`,
    )
  }
  return found[0] === undefined ? undefined : join(cwd, found[0])
}

/**
 * Reads a configuration file in any of its formats.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID where it can't be read or parsed, with the line where the format
 * has lines
 */
export async function readConfigFile(path: string, cwd: string): Promise<ConfigFile> {
  const name = shown(cwd, path)
  const { content, lineOf } = await parseFile(path, name)
  if (!isTree(content)) {
    throw invalid(
      `${name} must contain settings by name (queue, worker, …). \`sluice init\` writes an example.`,
    )
  }
  const placeOf = (settingPath: readonly string[]): string | undefined => {
    if (valueAt(content, settingPath) === undefined) return undefined
    const line = lineOf(settingPath)
    return line === undefined ? name : `${name}:${line}`
  }
  return { path, layer: { values: content, placeOf } }
}

async function parseFile(path: string, name: string): Promise<Parsed> {
  const extension = extname(path).slice(1).toLowerCase()
  try {
    if (['yaml', 'yml', 'json'].includes(extension)) return await parseYaml(await readText(path))
    if (extension === 'toml') return await parseToml(await readText(path))
    if (['ts', 'mts', 'mjs', 'js'].includes(extension)) return await importModule(path)
  } catch (error) {
    throw new SluiceError('SLUICE_CONFIG_INVALID', `${name} can't be read: ${unreadableText(error)}`)
  }
  throw invalid(`${name}: a configuration file ends in .ts, .mts, .mjs, .js, .json, .yaml, .yml or .toml.`)
}

/**
 * Why a file can't be read, without the quotes of parsers: its secrets are not known yet. The cause is left
 * out for the same reason.
 */
function unreadableText(error: unknown): string {
  if (!(error instanceof Error)) return 'it throws a value that is not an Error'
  const [line = '', ...picture] = error.message.split('\n')
  const at = /:(\d+):(\d+)\s*$/mu.exec(picture.join('\n'))
  const where = at === null ? '' : ` (line ${at[1]}, column ${at[2]})`
  const isQuoting = error instanceof SyntaxError || error.name === 'ParseError'
  return `${isQuoting ? withoutQuotes(line) : line.trim()}${where}`
}

/**
 * Removes quoted text: an unexpected identifier may be part of a token. Single characters are expected
 * syntax.
 */
function withoutQuotes(line: string): string {
  return line
    .replaceAll(/(['"`])[^'"`]{2,}\1/gu, '…')
    .replace(/: \/.*$/u, '')
    .trim()
}

async function readText(path: string): Promise<string> {
  const text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path))
  return text
}

/** Parses YAML, and JSON as a subset of it, with lines. */
async function parseYaml(text: string): Promise<Parsed> {
  const { LineCounter, parseDocument, isNode, isMap, isScalar, isSeq } = await import('yaml')
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const [problem] = document.errors
  if (problem !== undefined) {
    const { line, col } = lines.linePos(problem.pos[0])
    throw new Error(`line ${line}, column ${col}: ${yamlText(problem)}`)
  }
  const keyLine = (path: readonly string[]): number | undefined => {
    const parent = path.length > 1 ? document.getIn(path.slice(0, -1), true) : document.contents
    const key = path.at(-1)
    const node = isMap(parent)
      ? parent.items.find((item) => isScalar(item.key) && String(item.key.value) === key)?.key
      : isSeq(parent)
        ? parent.items[Number(key)]
        : undefined
    const offset = isNode(node) ? node.range?.[0] : undefined
    return offset === undefined ? undefined : lines.linePos(offset).line
  }
  return { content: contentOf(document), lineOf: keyLine }
}

/** Removes the text that the parser quotes after a colon, and in an escape sequence. */
function yamlText({ code, message }: { readonly code: string; readonly message: string }): string {
  if (code === 'BAD_DQ_ESCAPE') return 'Invalid escape sequence'
  return (message.split(/:\s/u)[0] ?? message).replace(/%.*$/u, '').trim()
}

function contentOf(document: { toJS(): unknown }): unknown {
  try {
    return document.toJS()
  } catch (error) {
    // The message names the alias, which may be a password that begins with `*`.
    if (error instanceof ReferenceError)
      throw new Error('an alias (`*name`) has no anchor (`&name`); quote text that begins with *', {
        cause: error,
      })
    throw error
  }
}

async function parseToml(text: string): Promise<Parsed> {
  const { parse, TomlError } = await import('smol-toml')
  try {
    return { content: parse(text), lineOf: () => undefined }
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    // The rest of its message quotes the line, which may contain a password.
    const [message = 'not TOML'] = error.message.split('\n')
    throw new Error(`line ${error.line}, column ${error.column}: ${message}`, { cause: error })
  }
}

async function importModule(path: string): Promise<Parsed> {
  const loaded: unknown = await import(pathToFileURL(path).href).catch((error: unknown) =>
    importByJiti(path, error),
  )
  const exported = isTree(loaded) && 'default' in loaded ? loaded['default'] : loaded
  const content: unknown = typeof exported === 'function' ? await exported() : exported
  return { content, lineOf: () => undefined }
}

/** What Node itself does not do with TypeScript: an `enum`, an import without its extension. */
const FOR_JITI = new Set([
  'ERR_INVALID_TYPESCRIPT_SYNTAX',
  'ERR_MODULE_NOT_FOUND',
  'ERR_UNKNOWN_FILE_EXTENSION',
  'ERR_UNSUPPORTED_DIR_IMPORT',
  'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX',
])

/**
 * Imports a file that Node did not, with the jiti that is installed beside it.
 *
 * @throws the error of Node where that is none of jiti's business, or no jiti is installed
 */
async function importByJiti(path: string, error: unknown): Promise<unknown> {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (!path.endsWith('ts') || !FOR_JITI.has(code)) throw error
  const { resolve: find } = createRequire(path)
  try {
    find('jiti')
  } catch {
    const advice =
      'Node imports TypeScript without enums, and with the extension of each file; for more: npm install jiti'
    throw new Error(`${messageOf(error)}. ${advice}`, { cause: error })
  }
  const jiti: { readonly createJiti: typeof createJiti } = await import(pathToFileURL(find('jiti')).href)
  return await jiti.createJiti(import.meta.url, { fsCache: false }).import(path)
}

function shown(cwd: string, path: string): string {
  const short = relative(cwd, path)
  return short.startsWith('..') ? path : short
}

function invalid(message: string): SluiceError {
  return new SluiceError('SLUICE_CONFIG_INVALID', message)
}
