import type { Writable } from 'node:stream'
import type { Logger } from '@sluice/core'
import type { Secrets } from '@sluice/core/backend'
import Table from 'cli-table3'
import pico from 'picocolors'

/** The colours of picocolors: plain text where the output is no terminal or NO_COLOR is set. */
export type Colors = ReturnType<typeof pico.createColors>

/** A stream that may be a terminal. */
export type TextStream = Writable & { readonly isTTY?: boolean; readonly columns?: number }

/** The streams and format of an {@link Output}. */
export interface OutputOptions {
  readonly stdout: TextStream
  readonly stderr: TextStream
  readonly env: Readonly<Record<string, string | undefined>>
  /** `--json`: results are JSON, one value per line; notes are left out. */
  readonly json: boolean
  /** Redacted in notes and warnings; results are data and unchanged. */
  readonly secrets?: Secrets
}

/** The output of a command: results on stdout, as text or JSON; notes and warnings on stderr. */
export class Output {
  readonly json: boolean
  /** Text results go to a terminal: a live view is possible. */
  readonly live: boolean
  readonly colors: Colors
  readonly stdout: TextStream
  readonly stderr: TextStream
  /** Colours for stderr, which may be a terminal where stdout is not. */
  readonly errorColors: Colors
  readonly #secrets: Secrets | undefined

  constructor(options: OutputOptions) {
    this.#secrets = options.secrets
    this.stdout = options.stdout
    this.stderr = options.stderr
    this.json = options.json
    this.live = !options.json && options.stdout.isTTY === true
    this.colors = pico.createColors(wantsColors(options.stdout, options.env))
    this.errorColors = pico.createColors(wantsColors(options.stderr, options.env))
  }

  /**
   * Prints a result: `json` as one line with `--json`, else `human`.
   *
   * @param to stderr where stdout carries other data
   */
  print(human: string | (() => string), json: unknown, to: 'stdout' | 'stderr' = 'stdout'): void {
    const text = this.json ? JSON.stringify(json) : typeof human === 'string' ? human : human()
    this[to].write(`${text}\n`)
  }

  /**
   * Writes text or bytes to stdout; resolves when the reader keeps up, so that a long stream takes little
   * memory.
   *
   * @param signal ends the wait for the reader
   */
  async write(text: string | Uint8Array, signal?: AbortSignal): Promise<void> {
    if (this.stdout.write(text) || signal?.aborted === true) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const go = (): void => resolve()
    this.stdout.once('drain', go)
    signal?.addEventListener('abort', go)
    await promise
    this.stdout.off('drain', go)
    signal?.removeEventListener('abort', go)
  }

  /** A line on stderr; nothing with `--json`. */
  note(text: string): void {
    if (!this.json) this.stderr.write(`${this.#redacted(text)}\n`)
  }

  /** A warning on stderr, with `--json` as an object. */
  warn(text: string): void {
    const warning = this.#redacted(text)
    const line = this.json ? JSON.stringify({ warning }) : `${this.errorColors.yellow('warning:')} ${warning}`
    this.stderr.write(`${line}\n`)
  }

  #redacted(text: string): string {
    return this.#secrets?.redact(text) ?? text
  }

  /** A table without rules; cells are unchanged, so pass text from users through {@link printable}. */
  table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
    const table = new Table({
      head: head.map((title) => this.colors.bold(title)),
      chars: NO_RULES,
      style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
    })
    for (const row of rows) table.push(row.map(String))
    return table
      .toString()
      .split('\n')
      .map((line) => line.trimEnd())
      .join('\n')
  }
}

const NO_RULES = Object.fromEntries(
  [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
    'left',
    'left-mid',
    'mid',
    'mid-mid',
    'right',
    'right-mid',
    'middle',
  ].map((name) => [name, '']),
)

/**
 * Text of unknown origin, made safe for a terminal: an id may contain line breaks or escape codes.
 *
 * @param maxChars a longer text is cut, with an ellipsis
 */
export function printable(text: string, maxChars = Number.POSITIVE_INFINITY): string {
  const safe = text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (char) =>
    JOINERS.has(char) ? char : `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  )
  return safe.length > maxChars ? `${safe.slice(0, maxChars - 1).toWellFormed()}…` : safe
}

/** Several lines as one, for tables and lists: a line break is shown as ␊. */
export function oneLine(text: string, maxChars = Number.POSITIVE_INFINITY): string {
  return printable(text.replaceAll(LINE_BREAK, '␊').replaceAll('\t', ' '), maxChars)
}

/** The lines of a text, each made safe for a terminal, with tabs as spaces. */
export function printableLines(text: string, maxChars = Number.POSITIVE_INFINITY): readonly string[] {
  return text.split(LINE_BREAK).map((line) => printable(line.replaceAll('\t', '    '), maxChars))
}

const LINE_BREAK = /\r\n|\n|\r|\u2028|\u2029/gu

/** They join emoji, and are harmless. */
const JOINERS = new Set(['\u200D', '\u200C'])

function wantsColors(stream: TextStream, env: OutputOptions['env']): boolean {
  if (env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '') return false
  if (env['FORCE_COLOR'] !== undefined) return env['FORCE_COLOR'] !== '0'
  return stream.isTTY === true && env['TERM'] !== 'dumb'
}

const none = (): undefined => undefined

/** A sentence without its full stop, to continue the line. */
export function withoutFullStop(sentence: string): string {
  return sentence.replace(/\.$/u, '')
}

/** A word as a shell reads it, for command lines in messages. */
export function shellWord(text: string): string {
  return /^[\w./@%+=:,-]+$/u.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}

/** A logger that prints only warnings and errors, without their fields. */
export function warningsOf(output: Pick<Output, 'warn'>): Logger {
  const warn = (_: unknown, message: string): void => output.warn(message)
  return { debug: none, info: none, warn, error: warn }
}

/** A logger that passes each message on once, regardless of its fields. */
export function saidOnce(logger: Logger): Logger {
  const said = new Set<string>()
  const once =
    (say: Logger['info']): Logger['info'] =>
    (fields, message) => {
      if (said.size < said.add(message).size) say(fields, message)
    }
  return {
    debug: once((fields, message) => logger.debug(fields, message)),
    info: once((fields, message) => logger.info(fields, message)),
    warn: once((fields, message) => logger.warn(fields, message)),
    error: once((fields, message) => logger.error(fields, message)),
  }
}
