import { SluiceError } from '@sluice/core'
import { split } from 'shlex'
import { isRefused, type ManifestEntry } from '../../manifest/manifest-entry.js'
import type { Joblog } from './joblog.js'

/** Which items of a list a log of GNU parallel says are done. */
export interface JoblogItems {
  readonly isDone: (id: string) => boolean
  /** How a command of the log and an id are held against each other, for people. */
  readonly how: string
  /** Commands of the log that are not understood, or no id of the list. */
  readonly unmatched: number
}

/** A command's value, which is to be an id; `undefined` where the command is not of the form. */
type ValueOf = (command: string) => string | undefined

const COMMAND_ITSELF: ValueOf = (command) => command

/**
 * Finds how the log's commands name the list's ids: as `template` says, or by what fits alone: the command is the id, or its last argument is and all else of it is
 * the same in each.
 *
 * @param read begins to read the list from its start
 * @throws SluiceError SLUICE_INPUT_INVALID when nothing fits, or both do
 */
export async function matchJoblog(
  log: Joblog,
  read: () => AsyncIterable<ManifestEntry>,
  template?: string,
): Promise<JoblogItems> {
  const forms = template === undefined ? guessedForms(log) : [formOf(template)]
  const tables = forms.map((form) => new ValueTable(log, form))
  for await (const entry of read()) {
    if (!isRefused(entry)) for (const table of tables) table.note(entry.item.id)
  }
  const fitting = tables.filter(({ matched }) => matched > 0)
  const [table, other] = fitting
  if (table !== undefined && other === undefined) return table.items()
  if (table === undefined && log.records === 0)
    return { isDone: () => false, how: 'it has no record', unmatched: 0 }
  throw table === undefined ? nothingFits(template) : bothFit()
}

interface Form {
  readonly how: string
  readonly valueOf: ValueOf
}

class ValueTable {
  matched = 0
  readonly #how: string
  /** By the value: whether all commands of it are done. */
  readonly #done = new Map<string, boolean>()
  readonly #met = new Set<string>()
  #misfits = 0

  constructor(log: Joblog, { how, valueOf }: Form) {
    this.#how = how
    for (const command of log.commands) {
      const value = valueOf(command)
      if (value === undefined) this.#misfits += 1
      else this.#done.set(value, log.isDone(command) && this.#done.get(value) !== false)
    }
  }

  note(id: string): void {
    if (!this.#done.has(id) || this.#met.has(id)) return
    this.#met.add(id)
    this.matched += 1
  }

  items(): JoblogItems {
    const unmatched = this.#misfits + this.#done.size - this.matched
    // What stands in the way of another list is not for this one to say.
    const isDone = (id: string) => this.#done.get(id) === true && this.#met.has(id)
    return { isDone, how: this.#how, unmatched }
  }
}

function guessedForms(log: Joblog): Form[] {
  const whole = { how: 'the command is the id', valueOf: COMMAND_ITSELF }
  const head = commonHead(log.commands)
  if (head === undefined) return [whole]
  return [
    whole,
    {
      how: `the id is the last argument of ${head.join(' ')}`,
      valueOf: (command) => wordsOf(command)?.at(-1),
    },
  ]
}

/** All words of the commands but the last, where these are the same in each and at least one. */
function commonHead(commands: Iterable<string>): readonly string[] | undefined {
  let common: readonly string[] | undefined
  for (const command of commands) {
    const head = wordsOf(command)?.slice(0, -1)
    if (head === undefined || head.length === 0) return undefined
    common ??= head
    if (common.length !== head.length || !common.every((word, index) => word === head[index]))
      return undefined
  }
  return common
}

/** As a POSIX shell reads it; `undefined` for a quote that isn't closed. */
function wordsOf(command: string): string[] | undefined {
  try {
    return split(command)
  } catch {
    // The parser has one complaint.
    return undefined
  }
}

const REPLACEMENT = /\{(?:|[./#%]|\/\/|\/\.|=.*?=)\}/u

/** A template as it was given to GNU parallel: `{}` is the value, and its other replacement strings are any text. */
function formOf(template: string): Form {
  const how = `--joblog-command ${template}`
  if (template.trim() === '{}') return { how, valueOf: COMMAND_ITSELF }
  const given = wordsOf(template)
  if (given === undefined || given.length === 0) throw badTemplate('a quote is not closed, or it is empty')
  if (given.some((word) => /\{-?\d+[^}]*\}/u.test(word)))
    throw badTemplate('it has several values, and an id is one')
  const hasValue = given.some((word) => word.includes('{}'))
  if (!hasValue && given.some((word) => REPLACEMENT.test(word)))
    throw badTemplate('it has no {}, the value itself')
  // GNU parallel appends the value where there is none of its replacement strings.
  const words = (hasValue ? given : [...given, '{}']).map(wordPattern)
  return { how, valueOf: (command) => valueIn(wordsOf(command), words) }
}

function wordPattern(word: string): RegExp {
  const parts = word.split(new RegExp(`(${REPLACEMENT.source})`, 'u'))
  let hasValue = false
  const source = parts.map((part) => {
    if (part !== '{}') return REPLACEMENT.test(part) ? '.*' : escaped(part)
    if (hasValue) return String.raw`\k<value>`
    hasValue = true
    return '(?<value>.*)'
  })
  return new RegExp(`^${source.join('')}$`, 'su')
}

function escaped(text: string): string {
  return text.replaceAll(/[$()*+.?[\\\]^{|}]/gu, String.raw`\$&`)
}

function valueIn(words: readonly string[] | undefined, patterns: readonly RegExp[]): string | undefined {
  if (words?.length !== patterns.length) return undefined
  let value: string | undefined
  for (const [index, pattern] of patterns.entries()) {
    const match = pattern.exec(words[index] ?? '')
    if (match === null) return undefined
    const found = match.groups?.['value']
    if (found === undefined) continue
    if (value !== undefined && value !== found) return undefined
    value = found
  }
  return value
}

function badTemplate(why: string): SluiceError {
  return new SluiceError(
    'SLUICE_INPUT_INVALID',
    `--joblog-command must be the command as it was given to GNU parallel, such as 'process {}': ${why}`,
  )
}

function nothingFits(template: string | undefined): SluiceError {
  const next =
    template === undefined
      ? "say how it names the values by --joblog-command 'process {}', the command as it was given to GNU parallel"
      : 'give the command as it was given to GNU parallel'
  return new SluiceError(
    'SLUICE_INPUT_INVALID',
    `No command of the joblog names an id of the list: ${next}. Nothing was stored.`,
  )
}

function bothFit(): SluiceError {
  return new SluiceError(
    'SLUICE_INPUT_INVALID',
    "Some ids of the list are whole commands of the joblog, and some are last arguments: say which by --joblog-command '{}' (the commands) or 'process {}'. " +
      'Nothing was stored.',
  )
}
