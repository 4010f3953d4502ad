import { terminalText } from '../text/terminal-tail.js'

/** What ended a job from outside: the lines that its program wrote before say nothing of the cause. */
const ENDED_FROM_OUTSIDE =
  /^(?:[\w.-]{1,63}: ){0,2}(?:OOMKilled \(exit code \d+\)|killed by SIG[A-Z]+: the kernel ended it, since memory ran out|timed out[^\n(]{0,40}\([^\n)]{0,60}\))(?=: |$)/u

/** The same of a job that was cancelled, where how it ended, and what it wrote, follows in brackets. */
const CANCELLED =
  /^cancelled: [^\n]{0,300}? \((?:[\w.-]{1,63}: ){0,2}(?:[A-Z][A-Za-z]{2,40} \(exit code -?\d+\)|[^\n():]{1,100})(?=[):])/u

/** How a worker says that a program ended, before it gives what the program wrote. */
const ENDING =
  /^(?:[\w.-]{1,63}: ){0,2}(?:exit code -?\d+|killed by SIG[A-Z0-9]+|[A-Z][A-Za-z]{2,40} \(exit code -?\d+\))(?=: )/u

const NO_REASON = '(no reason given)'

/**
 * The line of a reason that says most of the cause, in one line without control characters: of a log's end
 * the exception, not the first line. How the program ended, where the worker says it, stays before it.
 */
export function causeLine(reason: string): string {
  const text = plainText(reason)
  const outside = ENDED_FROM_OUTSIDE.exec(text)?.[0]
  if (outside !== undefined) return oneLine(outside)
  const cancelled = CANCELLED.exec(text)?.[0]
  if (cancelled !== undefined) return oneLine(`${cancelled})`)
  const ending = ENDING.exec(text)?.[0]
  if (ending === undefined) return oneLine(chosenLine(linesOf(text)) ?? NO_REASON)
  const cause = chosenLine(linesOf(text.slice(ending.length + 2)))
  return oneLine(cause === undefined ? ending : `${ending}: ${cause}`)
}

/** As a terminal would leave it, without colors, bells and the like. */
function plainText(reason: string): string {
  const text = FOR_TERMINALS.test(reason) ? withoutOverwritten(reason) : reason
  const clean = UNPRINTABLE.test(text) ? text.replaceAll(UNPRINTABLES, ' ') : text
  return clean.replace(/^(?:\s*main: )+/u, '').trimStart()
}

/** How the program ended was said by the worker, and no carriage return of the program goes back over it. */
function withoutOverwritten(reason: string): string {
  const [said = ''] = [ENDED_FROM_OUTSIDE, CANCELLED, ENDING].flatMap((form) => form.exec(reason)?.[0] ?? [])
  const [between = ''] = /^(?:: ?)?/u.exec(reason.slice(said.length)) ?? []
  const head = said + between
  return head + terminalText(reason.slice(head.length))
}

/** What overwrites, erases or styles. */
// oxlint-disable-next-line no-control-regex -- they are what it is about
const FOR_TERMINALS = /[\r\u0008\u001B\u009B]/u

/** Control characters but tab, line feed and carriage return; noncharacters. */
// oxlint-disable-next-line no-control-regex -- they are what it is about
const UNPRINTABLE = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\uFDD0-\uFDEF\uFFFE\uFFFF]/u
const UNPRINTABLES = new RegExp(UNPRINTABLE.source, 'gu')

/** Lines that have something to say; bars of a progress and rules of dashes don't. */
function linesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => !isDecoration(line))
}

/** What a progress bar has: a share, a pace, or the dashes of a time that isn't known. */
const MAY_BE_BAR = /\d%|it\/s|s\/it|--:--/u

function isDecoration(line: string): boolean {
  if (/^[\s\p{P}\p{S}]*$/u.test(line)) return true
  return MAY_BE_BAR.test(line) && /[█▉▊▋▌▍▎▏━╸]|\d%\||[#=>.]{10}|it\/s|s\/it|--:--/u.test(line)
}

function oneLine(text: string): string {
  // Most are one already, and a test is cheaper than building the text again.
  return (/\s{2}|[^\S ]/u.test(text) ? text.replaceAll(/\s+/gu, ' ') : text).trim()
}

/** Without any of these, it is the last line: what most failures are. */
const KNOWN_FORM = /File "|Traceback|Caused by:|Exception|[Ee]rror|ERROR|panic|[Ff]atal|FATAL/u

/** The first of the known forms that is there, and else the last line. */
function chosenLine(lines: readonly string[]): string | undefined {
  if (lines.length < 2 || !lines.some((line) => KNOWN_FORM.test(line))) return lines.at(-1)
  return (
    nextflowCause(lines) ??
    tracebackEnd(lines) ??
    snakemakeCause(lines) ??
    rootCause(lines) ??
    rError(lines) ??
    firstError(lines) ??
    lines.at(-1)
  )
}

/** The line, and the next one where it only announces it. */
function withNext(lines: readonly string[], index: number): string {
  const line = lines[index] ?? ''
  const next = lines[index + 1]
  return next !== undefined && /:\s*$/u.test(line) ? `${line.trimEnd()} ${next.trim()}` : line
}

/** Nextflow: what is below `Caused by:`, and where that is only an exit status, what the command wrote. */
function nextflowCause(lines: readonly string[]): string | undefined {
  const index = lines.findIndex((line) => /^\s*Caused by:\s*$/u.test(line))
  const cause = lines[index + 1]
  if (index === -1 || cause === undefined || /^\s+\d+: /u.test(cause)) return undefined
  const begin = lines.findIndex((line) => /^\s*Command error:\s*$/u.test(line))
  if (begin === -1) return cause
  const rest = lines.slice(begin + 1)
  const end = rest.findIndex((line) => /^\s*(?:Work dir|Tip|Container|Command output):/u.test(line))
  const block = (end === -1 ? rest : rest.slice(0, end)).map((line) => line.replace(/^ {2}/u, ''))
  const written = block.length === 0 ? undefined : chosenLine(block)
  return written === undefined ? cause : `${cause.trim()}: ${written.trim()}`
}

const FRAME = /^\s*File ".*", line \d+|^\s*(?:\S.*: )?Traceback \(most recent call last\)/u
/** The same of an exception group: each line is behind a bar, as deep as its group is. */
const GROUP_FRAME = /^( +[|+] )\s*(?:File "|(?:Exception Group )?Traceback )/u

/** Python: the line after the last frame of the last traceback, unless a Java one is quoted below it. */
function tracebackEnd(lines: readonly string[]): string | undefined {
  const last = lines.findLastIndex((line) => FRAME.test(line) || GROUP_FRAME.test(line))
  if (last === -1) return undefined
  const bar = GROUP_FRAME.exec(lines[last] ?? '')?.[1] ?? ''
  const below = lines.slice(last + 1)
  const end = below.findIndex((line) => line.startsWith(bar) && /\S/u.test(line.charAt(bar.length)))
  return end === -1 ? undefined : (rootCause(below.slice(end + 1)) ?? below[end]?.slice(bar.length))
}

/** Snakemake: the exception of a rule, with the command or the file that it is about; else the rule. */
function snakemakeCause(lines: readonly string[]): string | undefined {
  const exception = lines.findIndex((line) =>
    /^\s*(?:RuleException|WorkflowError|[A-Z]\w*Exception in rule .*):\s*$/u.test(line),
  )
  if (exception !== -1) {
    const line = lines[exception] ?? ''
    const next = lines[exception + 1]
    return next === undefined ? line : `${line.trim()} ${withNext(lines, exception + 1).trim()}`
  }
  return lines.find((line) => /^\s*Error in rule \S+:\s*$/u.test(line))
}

/** Java: the last `Caused by: …`; anyhow of Rust: the last line of the numbered list below `Caused by:`. */
function rootCause(lines: readonly string[]): string | undefined {
  const java = lines.findLast((line) => /^\s*Caused by: \S/u.test(line))
  if (java !== undefined) return java.replace(/^\s*(?:Caused by: )+/u, '')
  const index = lines.findLastIndex((line) => /^\s*Caused by:\s*$/u.test(line))
  if (index === -1) return undefined
  const numbered = lines.slice(index + 1).findLast((line) => /^\s+\d+: \S/u.test(line))
  return numbered === undefined ? lines[index + 1] : numbered.replace(/^\s*\d+: /u, '')
}

/** R: `Error in f(x) : why`, its second half often on the next line. */
function rError(lines: readonly string[]): string | undefined {
  const index = lines.findIndex((line) => /^\s*Error in (?!rule )\S/u.test(line))
  return index === -1 ? undefined : withNext(lines, index)
}

const ERROR_LINE =
  /^\[?(?:[^\s].{0,120}?[\s[(:])?(?:[\w$.]{0,120}(?:Error|Exception)(?: \[\w+\])?(?=[:,)]| \{|$)|panic(?:ked)?(?=:| at |\()|fatal(?: error)?:|Fatal error|FATAL|ERROR|error(?:\[\w+\])?:)/u

/** Node, Go, Rust and most others: the first line that speaks of an error and is no quoted source. */
function firstError(lines: readonly string[]): string | undefined {
  const index = lines.findIndex((line) => KNOWN_FORM.test(line) && ERROR_LINE.test(line))
  return index === -1 ? undefined : withNext(lines, index)
}
