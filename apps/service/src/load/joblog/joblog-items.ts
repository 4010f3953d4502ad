import { SluiceError } from '@sluice/core'
import { split } from 'shlex'
import { isRefused, type ManifestEntry } from '../../manifest/manifest-entry.js'
import type { Joblog } from './joblog.js'

/** The items of a list that are done by a job log of GNU parallel. */
export interface JoblogItems {
  readonly isDone: (id: string) => boolean
  /** How commands and ids were matched, as text. */
  readonly how: string
  /** Commands that could not be parsed, or match no id of the list. */
  readonly unmatched: number
}

/** The id in a command; `undefined` where the command does not match the form. */
type ValueOf = (command: string) => string | undefined

const COMMAND_ITSELF: ValueOf = (command) => command

/**
 * Matches the log's commands with the list's ids: by the `template`, or by the only form that fits: the
 * command is the id, or its last argument is, and the rest is the same in each command.
 *
 * @param read reads the list from its start
 * @throws SluiceError SLUICE_INPUT_INVALID where no form or both forms fit
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
    return { isDone: () => false, how: 'it has no records', unmatched: 0 }
  throw table === undefined ? nothingFits(template) : bothFit()
}

interface Form {
  readonly how: string
  readonly valueOf: ValueOf
}

class ValueTable {
  matched = 0
  readonly #how: string
  /** By value: whether all its commands are done. */
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
    // Ids outside this list are not done for it.
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

/** The words of the commands without the last, where they are the same in all commands and not empty. */
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

/** The words as a POSIX shell reads them; `undefined` for an unclosed quote. */
function wordsOf(command: string): string[] | undefined {
  try {
    return split(command)
  } catch {
    // The parser throws only for an unclosed quote.
    return undefined
  }
}

const REPLACEMENT = /\{(?:|[./#%]|\/\/|\/\.|=.*?=)\}/u

/** A command template of GNU parallel: `{}` is the value, and other replacement strings match any text. */
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
  // GNU parallel appends the value to a template without replacement strings.
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
    `--joblog-command must be the command as passed to GNU parallel, such as 'process {}': ${why}`,
  )
}

function nothingFits(template: string | undefined): SluiceError {
  const next =
    template === undefined
      ? "set --joblog-command 'process {}', the command as passed to GNU parallel"
      : 'use the command as passed to GNU parallel'
  return new SluiceError(
    'SLUICE_INPUT_INVALID',
    `No command of the joblog names an id of the list: ${next}. Nothing was stored.`,
  )
}

function bothFit(): SluiceError {
  return new SluiceError(
    'SLUICE_INPUT_INVALID',
    "Some ids of the list are whole commands of the joblog, and some are last arguments: select one with --joblog-command '{}' (the commands) or 'process {}'. " +
      'Nothing was stored.',
  )
}
