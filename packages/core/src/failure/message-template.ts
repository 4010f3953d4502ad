import { COMPILED_RULES, ID_MARK, PLACEHOLDER } from './template-rules.js'

/** Longest template, in UTF-16 units. */
export const MAX_TEMPLATE_CHARS = 300

const PLACEHOLDERS = new RegExp(`(${PLACEHOLDER})`, 'u')

/**
 * One line without what is peculiar to one item: its names become `<id>`, and numbers, paths, instants and
 * the like what they are, such as `<n>`. Codes that say what happened are kept.
 *
 * @param names of the item, the longer first
 */
export function templateOf(line: string, names: readonly string[]): string {
  let text = line.replaceAll('<id>', ID_MARK)
  for (const name of names) if (text.includes(name)) text = withoutName(text, name)
  const typed = text.replaceAll(COMPILED_RULES.expression, (match: string, ...groups: unknown[]) => {
    const { replace } = COMPILED_RULES.rules[groups.findIndex((group) => group !== undefined)] ?? {}
    if (replace === undefined) return match
    return typeof replace === 'string' ? replace : replace(match)
  })
  return cutTemplate(typed.replaceAll(ID_MARK, '<id>'))
}

/**
 * Whether the rules could find something more in a template: nearly all of them are about digits and paths.
 */
export function canChange(template: string, names: readonly string[]): boolean {
  return /[\d/@\\]|\.\w/u.test(template) || names.some((name) => template.includes(name))
}

/**
 * Names under which a message may speak of an item: its id, and where that is a path, the file's name with
 * and without ending.
 */
export function namesOf(id: string): readonly string[] {
  const whole = id.replaceAll(/\s+/gu, ' ').trim()
  const file = whole.slice(whole.lastIndexOf('/') + 1)
  const dot = file.indexOf('.', 1)
  const stem = dot === -1 ? file : file.slice(0, dot)
  return [
    ...(isName(whole, 1) ? [whole] : []),
    ...(file !== whole && isName(file, 4) ? [file] : []),
    ...(stem !== file && isName(stem, 5) ? [stem] : []),
  ]
}

/** Numbers become `<n>` anyway, and an exit code that is equal to the id of an item is still an exit code. */
function isName(name: string, minChars: number): boolean {
  return name.length >= minChars && !/^[\d.,_-]*$/u.test(name)
}

/** So long, a name is found within words too: `tile-0001` in `tile-0001.tif`, `prefix_tile-0001`. */
const DISTINCT_CHARS = 8

/** What was put in already is no text of the message. */
function withoutName(text: string, name: string): string {
  const parts = text.split(PLACEHOLDERS)
  return parts.map((part, index) => (index % 2 === 1 ? part : markName(part, name))).join('')
}

/**
 * The letters of a short name such as `a` or `it` are in many words: it counts only where it stands alone.
 */
function markName(text: string, name: string): string {
  if (name.length >= DISTINCT_CHARS) return text.replaceAll(name, ID_MARK)
  const pieces = text.split(name)
  let marked = pieces[0] ?? ''
  for (const piece of pieces.slice(1)) {
    const isPart = /[\p{L}\p{N}]$/u.test(marked) || /^[\p{L}\p{N}]/u.test(piece)
    marked += (isPart ? name : ID_MARK) + piece
  }
  return marked
}

/** Cut where a word ends, so that no half of it looks like something else. */
function cutTemplate(text: string): string {
  if (text.length <= MAX_TEMPLATE_CHARS) return text
  const head = text.slice(0, MAX_TEMPLATE_CHARS - 2)
  const end = head.search(/[\s,;"'(){}[\]=][^\s,;"'(){}[\]=]*$/u)
  const cut = end > MAX_TEMPLATE_CHARS / 3 ? head.slice(0, end) : head.replace(/<[a-z]*$/u, '')
  return `${(cut.isWellFormed() ? cut : cut.slice(0, -1)).trimEnd()} …`
}
