// Wraps comments that are wider than the lint rule `house/comment-width` allows: node
// scripts/wrap-comments.mjs FILES Only paragraphs that have such a line are touched. Code in fences, tables,
// indented lines and directives stay as they are.
import { readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const MAX_WIDTH = 110
const DIRECTIVE = /^\s*\/\/\s*(?:oxlint|eslint|@ts-|prettier|#|!)/u

/** The text of a source file with its comments wrapped. */
export function wrapComments(text) {
  const lines = text.split('\n')
  const out = []
  for (let at = 0; at < lines.length;) {
    const end = blockEnd(lines, at) ?? runEnd(lines, at)
    if (end === undefined) {
      out.push(lines[at++])
      continue
    }
    out.push(
      ...(lines[at].trim().startsWith('/**')
        ? wrapBlock(lines.slice(at, end))
        : wrapRun(lines.slice(at, end))),
    )
    at = end
  }
  return out.join('\n')
}

/** Where a block comment that begins at a line ends, if one begins there and nothing stands behind it. */
function blockEnd(lines, at) {
  if (!/^\s*\/\*\*/u.test(lines[at])) return undefined
  for (let end = at; end < lines.length; end++) {
    const close = lines[end].indexOf('*/')
    if (close === -1) continue
    return lines[end].slice(close + 2).trim() === '' ? end + 1 : undefined
  }
  return undefined
}

/** Where a run of `//` lines of one indent ends. */
function runEnd(lines, at) {
  const indent = /^(\s*)\/\/(?:\s|$)/u.exec(lines[at])?.[1]
  if (indent === undefined || DIRECTIVE.test(lines[at])) return undefined
  let end = at
  while (
    end < lines.length &&
    /^(\s*)\/\/(?:\s|$)/u.exec(lines[end])?.[1] === indent &&
    !DIRECTIVE.test(lines[end])
  )
    end += 1
  return end
}

function wrapBlock(lines) {
  if (lines.every((line) => line.length <= MAX_WIDTH)) return lines
  const indent = /^\s*/u.exec(lines[0])[0]
  const body = lines.map((line, index) => {
    let content = line
    if (index === 0) content = content.replace(/^\s*\/\*\*\s?/u, '')
    else content = content.replace(/^\s*\* ?/u, '')
    if (index === lines.length - 1) content = content.replace(/\s*\*\/\s*$/u, '')
    return content
  })
  if (body[0].trim() === '') body.shift()
  if (lines.length > 1 && /^\s*\*?\/?$/u.test(body.at(-1) ?? '')) body.pop()
  const wrapped = wrapParagraphs(body, MAX_WIDTH - indent.length - 3)
  return [`${indent}/**`, ...wrapped.map((line) => `${indent} * ${line}`.trimEnd()), `${indent} */`]
}

function wrapRun(lines) {
  if (lines.every((line) => line.length <= MAX_WIDTH)) return lines
  const indent = /^\s*/u.exec(lines[0])[0]
  const body = lines.map((line) => line.replace(/^\s*\/\/ ?/u, ''))
  const wrapped = wrapParagraphs(body, MAX_WIDTH - indent.length - 3)
  return wrapped.map((line) => `${indent}// ${line}`.trimEnd())
}

/** Paragraphs with a line that is too wide are wrapped; a list item or a tag begins one. */
function wrapParagraphs(lines, width) {
  const out = []
  let paragraph = []
  let isCode = false
  const flush = () => {
    out.push(...(paragraph.some((line) => line.length > width) ? wrapOne(paragraph, width) : paragraph))
    paragraph = []
  }
  for (const line of lines) {
    if (/^\s*```/u.test(line)) {
      flush()
      isCode = !isCode
      out.push(line)
    } else if (isCode || line.trim() === '' || /^\s*\|/u.test(line)) {
      flush()
      out.push(line)
    } else {
      const begins = /^\s*(?:[-*]\s|\d+[.)]\s|@\w)/u.test(line)
      // What is indented deeper without being the continuation of a list item is laid out on purpose.
      const isLaidOut = /^\s{2,}/u.test(line) && !begins && !isItem(paragraph)
      if (begins || isLaidOut) flush()
      if (isLaidOut) out.push(line)
      else paragraph.push(line)
    }
  }
  flush()
  return out
}

function isItem(paragraph) {
  return /^\s*(?:[-*]|\d+[.)])\s/u.test(paragraph[0] ?? '')
}

function wrapOne(paragraph, width) {
  const first = /^\s*/u.exec(paragraph[0])[0]
  const hanging = isItem(paragraph)
    ? `${first}${' '.repeat(/^\s*(\S+\s+)/u.exec(paragraph[0])[1].length)}`
    : first
  const words = paragraph.join(' ').trim().split(/\s+/u)
  const lines = []
  let line = first + words.shift()
  for (const word of wordsTogether(words)) {
    if (line.length + 1 + word.length > width) {
      lines.push(line)
      line = hanging + word
    } else line += ` ${word}`
  }
  return [...lines, line]
}

/** `{@link X}` stays on one line; and no line begins with what would begin a list or a tag. */
function wordsTogether(words) {
  const out = []
  for (const word of words) {
    const last = out.at(-1)
    const isOpen =
      last !== undefined && last.includes('{@') && !last.slice(last.lastIndexOf('{@')).includes('}')
    if (isOpen || (last !== undefined && /^(?:[-*]|\d+[.)]|@\w+)$/u.test(word)))
      out[out.length - 1] += ` ${word}`
    else out.push(word)
  }
  return out
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const file of process.argv.slice(2)) {
    const text = readFileSync(file, 'utf8')
    const wrapped = wrapComments(text)
    if (wrapped !== text) writeFileSync(file, wrapped)
  }
}
