import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { InvalidArgumentError } from '@commander-js/extra-typings'
import { SluiceError, isSluiceError, type JsonValue, type NewItem, type Resources } from '@sluice/core'
import { checkNewItem, parseJson } from '@sluice/core/backend'
import { whyUnreadable } from '../../manifest/manifest-errors.js'
import { withLine } from '../../cli/command-error.js'
import { printable, shellWord } from '../../output/output.js'
import { asArgument, spanMs, wholeNumber } from '../../cli/arguments.js'
import { assertKeepsChosen, resourceSources } from '../../manifest/chosen-items.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

/** A body has at most a few MiB; a far larger one must not fill the memory before it is refused. */
const MAX_TEXT_BYTES = 64 * 1024 * 1024

/** `sluice put`: one item into WAITING. */
export function registerPut(program: Program, context: CommandContext): void {
  program
    .command('put')
    .description('Add one item')
    .argument('<id>', 'any text up to 1,024 bytes; after -- if it starts with a dash')
    .argument('<body>', 'JSON text, @FILE for the JSON in a file, - for stdin')
    .option('--text', 'the body is plain text, not JSON')
    .option('--priority <n>', 'higher first', wholeNumber(-2_147_483_647, 2_147_483_647))
    .option('--delay <span>', 'do not start it before this time has passed, such as 30s, 5m, 2h, 1d', spanMs)
    .option('--resources <list>', 'what a job uses, such as gpu=1,memoryGiB=4', amounts)
    .option('--limit-key <key>', 'what a limit per key counts the item under, such as a user')
    .option('--if-absent', 'exit with 0 and change nothing where the id exists')
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID', 'CONFLICT', 'UNAVAILABLE']))
    .action(async (id, source, options) => {
      const text = await readSource(source, context)
      const item: NewItem = {
        id,
        body: options.text ? text : parseBody(text),
        ...(options.priority === undefined ? {} : { priority: options.priority }),
        ...(options.delay === undefined ? {} : { delayMs: options.delay }),
        ...(options.resources === undefined ? {} : { resources: options.resources }),
        ...(options.limitKey === undefined ? {} : { limitKey: options.limitKey }),
      }
      await putItem(item, context, options.ifAbsent === true)
    })
}

function amounts(text: string): Resources {
  const sources = asArgument(() => resourceSources(text))
  const path = sources.find(({ keys }) => keys !== undefined)
  if (path !== undefined)
    throw new InvalidArgumentError(`${path.name} must be a number, such as ${path.name}=1.`)
  return Object.fromEntries(sources.map(({ name, amount = 0 }) => [name, amount]))
}

const EXAMPLES = [
  `sluice put tile-1 '{"url": "s3://maps/1.tif"}' --priority 5`,
  'sluice put tile-2 @tile-2.json --delay 10m',
  'jq -c .tile index.json | sluice put tile-3 -',
]

async function putItem(item: NewItem, context: CommandContext, ifAbsent: boolean): Promise<void> {
  const { output } = context
  // Before the storage is touched at all.
  asInput(() => checkNewItem(item, Number.POSITIVE_INFINITY))
  const queue = await context.openQueue({ make: true })
  assertKeepsChosen(queue, item.resources !== undefined || item.limitKey !== undefined)
  asInput(() => checkNewItem(item, queue.supports.maxBodyBytes))
  const { id, body, ...options } = item
  try {
    await queue.put(id, body, options)
  } catch (error) {
    if (!isSluiceError(error, 'SLUICE_ITEM_EXISTS')) throw error
    if (!ifAbsent)
      throw withLine(error, `To remove it: sluice rm ${id.startsWith('-') ? '-- ' : ''}${shellWord(id)}`)
    output.print(`${printable(id)} exists already`, { id, added: false })
    return
  }
  output.print(`Put ${printable(id)} into ${printable(queue.name)}`, { id, added: true })
}

/** The contract's own checks; what they refuse is invalid input. */
function asInput(check: () => void): void {
  try {
    check()
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw inputInvalid(error.message, error)
  }
}

async function readSource(source: string, context: CommandContext): Promise<string> {
  if (source === '-') return readAll(context.stdin)
  if (!source.startsWith('@')) return source
  try {
    return decode(await readFile(resolve(context.cwd, source.slice(1))), source)
  } catch (error) {
    if (isSluiceError(error)) throw error
    const file = printable(source.slice(1), 200)
    throw inputInvalid(`the body can't be read from ${file}: ${whyUnreadable(error)}`, error)
  }
}

async function readAll(stream: AsyncIterable<unknown>): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of stream) {
      const buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk))
      bytes += buffer.byteLength
      if (bytes > MAX_TEXT_BYTES) throw inputInvalid(`the body on stdin is over ${MAX_TEXT_BYTES} bytes`)
      chunks.push(buffer)
    }
  } catch (error) {
    if (isSluiceError(error)) throw error
    throw inputInvalid(`the body can't be read from stdin: ${whyUnreadable(error)}`, error)
  }
  return decode(Buffer.concat(chunks), 'stdin')
}

function decode(bytes: Uint8Array, from: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw inputInvalid(`the body from ${printable(from, 80)} is not UTF-8`, error)
  }
}

function parseBody(text: string): JsonValue {
  const parsed = parseJson(text)
  if ('value' in parsed) return parsed.value
  const { reason, path } = parsed
  if (!reason.startsWith('not JSON'))
    throw inputInvalid(`the body can't be stored unchanged: at ${path}, ${reason}.`)
  const numbers = /\bNaN\b|Infinity/.test(text) ? ' JSON has no NaN and no Infinity.' : ''
  throw inputInvalid(
    `the body is ${reason}.${numbers} For plain text use --text, or a JSON string: '"text"'.`,
  )
}

function inputInvalid(message: string, cause?: unknown): SluiceError {
  return new SluiceError('SLUICE_INPUT_INVALID', message, { cause })
}
