/** Longer than any control sequence that a terminal knows, save those with a text of their own. */
const MAX_SEQUENCE_CHARS = 256
/** How far a sequence alone may move to the right: no terminal is wider. */
const MAX_COLUMNS = 512
/**
 * What is longer and written from the start of a line is a new text of that line; what is not turns in front
 * of it.
 */
const MAX_SPINNER_CHARS = 2

/**
 * What a program's output is made of, by ECMA-48: control sequences (CSI) with their parameters, strings
 * (OSC, DCS and the like), other sequences, single control characters.
 */
const CONTROL =
  // oxlint-disable-next-line no-control-regex -- they are what it is about
  /(?:\u001B\[|\u009B)([0-?]*)[ -/]*([@-~])|(?:\u001B[\]PX^_]|[\u0090\u0098\u009D-\u009F])[^\u0007\u001B\u009C]*(?:\u0007|\u001B\\|\u009C)|\u001B[ -/]*[0-Z\\^-~]|[\u0000-\u0008\u000A-\u001F\u007F-\u009F]/gu

/**
 * The last lines of a program's output as a terminal would leave them: what was overwritten after a carriage
 * return or a backspace, or erased by an ANSI sequence, is not there; colors, bells and other control
 * characters are left out. So of a progress bar the last update stays, however many there were, and does not
 * displace the line before it.
 *
 * In one way it is tidier than a terminal: a text that is written over a longer one leaves nothing of that,
 * unless it is as short as a spinner.
 *
 * It takes the output in pieces of any size, cut anywhere, and keeps at most a small multiple of `maxChars`.
 * A screen that is cleared as a whole is not: on a terminal its lines can be scrolled back to.
 */
export class TerminalTail {
  readonly #maxChars: number
  /** At least one. */
  #lines: string[] = ['']
  #chars = 0
  #row = 0
  #column = 0
  /** All since the start of the line was printed without a gap. */
  #isFromStart = true
  /** The beginning of a sequence whose end has not come. */
  #held = ''

  /** @param maxChars how much of the end is kept at least; default all */
  constructor(maxChars = Number.POSITIVE_INFINITY) {
    this.#maxChars = maxChars
  }

  write(piece: string): void {
    const text = this.#held + piece
    const end = unfinishedAt(text)
    this.#held = text.slice(end)
    this.#process(text.slice(0, end))
  }

  /** The lines that are left, without blanks at their ends and empty lines around them. */
  get text(): string {
    const lines = this.#lines.map((line) => line.trimEnd())
    const first = lines.findIndex((line) => line !== '')
    if (first < 0) return ''
    return lines.slice(first, lines.findLastIndex((line) => line !== '') + 1).join('\n')
  }

  #process(text: string): void {
    let at = 0
    for (const match of text.matchAll(CONTROL)) {
      if (match.index > at) this.#print(text.slice(at, match.index))
      this.#control(match[2] ?? match[0], match[2] === undefined ? undefined : match[1])
      at = match.index + match[0].length
    }
    if (at < text.length) this.#print(text.slice(at))
  }

  #print(run: string): void {
    this.#isFromStart ||= this.#column === 0
    this.#write(overwritten(this.#line, this.#column, run))
    this.#column += run.length
    if (this.#isFromStart && this.#column > MAX_SPINNER_CHARS) this.#write(this.#line.slice(0, this.#column))
    const surplus = this.#line.length - 2 * this.#maxChars
    if (surplus <= 0) return
    // A line without end: its end is what counts.
    this.#write(this.#line.slice(surplus + this.#maxChars))
    this.#column = Math.max(0, this.#column - surplus - this.#maxChars)
  }

  /** @param parameters of a CSI sequence, whose last character `control` is then */
  #control(control: string, parameters: string | undefined): void {
    if (parameters !== undefined) this.#sequence(control, parameters)
    else if (control === '\n' || control === '\u000B' || control === '\f') this.#feed()
    else if (control === '\r') this.#column = 0
    else if (control === '\b') this.#back()
  }

  #sequence(final: string, parameters: string): void {
    // A color moves nothing.
    if (final !== 'm') this.#isFromStart = false
    const count = Math.max(1, firstNumber(parameters))
    if (final === 'A' || final === 'F') this.#row = Math.max(0, this.#row - count)
    if (final === 'B' || final === 'E') this.#row = Math.min(this.#lines.length - 1, this.#row + count)
    if (final === 'E' || final === 'F') this.#column = 0
    if (final === 'C') this.#goTo(this.#column + count)
    if (final === 'D') this.#column = Math.max(0, this.#column - count)
    if (final === 'G') this.#goTo(count - 1)
    if (final === 'K') this.#eraseInLine(firstNumber(parameters))
    if (final === 'J') this.#eraseBelow(firstNumber(parameters))
    // Where on the screen that is, depends on its height: what follows starts a line.
    if (final === 'H' || final === 'f') this.#startLine()
  }

  #back(): void {
    this.#isFromStart = false
    this.#column = Math.max(0, this.#column - 1)
  }

  #goTo(column: number): void {
    this.#column = Math.min(column, Math.max(this.#column, MAX_COLUMNS))
  }

  #eraseInLine(how: number): void {
    const line = this.#line
    if (how === 2) this.#write('')
    else if (how === 1)
      this.#write(' '.repeat(Math.min(this.#column + 1, line.length)) + line.slice(this.#column + 1))
    else this.#write(line.slice(0, this.#column))
  }

  #eraseBelow(how: number): void {
    if (how !== 0) return
    this.#eraseInLine(0)
    for (const line of this.#lines.splice(this.#row + 1)) this.#chars -= line.length
  }

  #startLine(): void {
    this.#row = this.#lines.length - 1
    if (this.#line !== '') this.#feed()
    this.#column = 0
  }

  #feed(): void {
    this.#row += 1
    this.#column = 0
    if (this.#row < this.#lines.length) return
    this.#lines.push('')
    this.#chars += 1
    // Not one by one, or each would move all the others.
    if (this.#chars > 2 * this.#maxChars) this.#dropFirst()
  }

  #dropFirst(): void {
    let dropped = 0
    let rest = this.#chars
    while (dropped < this.#lines.length - 1) {
      const after = rest - (this.#lines[dropped] ?? '').length - 1
      if (after < this.#maxChars) break
      rest = after
      dropped += 1
    }
    this.#lines.splice(0, dropped)
    this.#chars = rest
    this.#row = Math.max(0, this.#row - dropped)
  }

  get #line(): string {
    return this.#lines[this.#row] ?? ''
  }

  #write(line: string): void {
    this.#chars += line.length - this.#line.length
    this.#lines[this.#row] = line
  }
}

/** A text as a terminal would leave it: see {@link TerminalTail}. */
export function terminalText(text: string): string {
  const tail = new TerminalTail()
  tail.write(text)
  return tail.text
}

/** Where a sequence begins whose end has not come; the end of the text, if none does. */
function unfinishedAt(text: string): number {
  const end = text.slice(-2 * MAX_SEQUENCE_CHARS)
  // Of the same length, without the sequences that are whole.
  const rest = end.replaceAll(CONTROL, (control) => (isStart(control) ? control : ' '.repeat(control.length)))
  const at = rest.search(STARTED)
  return at < 0 || end.length - at > MAX_SEQUENCE_CHARS ? text.length : text.length - end.length + at
}

// oxlint-disable-next-line no-control-regex -- they are what it is about
const STARTED = /[\u001B\u0090\u0098\u009B\u009D-\u009F][^\n]*$/u

/** What starts a sequence, and a line break, which ends what has begun. */
function isStart(control: string): boolean {
  return control.length === 1 && (control === '\n' || STARTED.test(control))
}

/**
 * A character of two units takes two columns, as wide ones do: where half of one is overwritten, the other
 * half becomes a blank.
 */
function overwritten(line: string, column: number, run: string): string {
  if (column === line.length) return line + run
  const before = line.slice(0, column).padEnd(column)
  const after = line.slice(column + run.length)
  const head = /[\uD800-\uDBFF]$/.test(before) ? `${before.slice(0, -1)} ` : before
  const rest = /^[\uDC00-\uDFFF]/.test(after) ? ` ${after.slice(1)}` : after
  return head + run + rest
}

function firstNumber(parameters: string): number {
  const digits = /^\d{1,9}/u.exec(parameters)?.[0]
  return digits === undefined ? 0 : Number(digits)
}
