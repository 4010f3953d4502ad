import { SluiceError, type JobOverrides, type JsonValue } from '@sluice/core'
import { bodyValueAt, missingInBody, readBodyPath } from '@sluice/core/backend'

/** What placeholders are filled from. */
export interface TemplateItem {
  readonly id: string
  readonly uid: string
  readonly attempt: number
  readonly queue: string
  readonly body: JsonValue
  /** Those of the attempt; absent where they are not known, as in a check: placeholders of them are empty. */
  readonly overrides?: JobOverrides
}

interface Placeholder {
  /** As written, for messages. */
  readonly text: string
  readonly root: Root
  /** Into the body, or the name of an override. */
  readonly keys: readonly string[]
}

/** One argument: literal text and placeholders in turn. */
export type ArgumentTemplate = readonly (string | Placeholder)[]

type Root = Exclude<keyof TemplateItem, 'overrides'> | 'override'

const ROOTS: readonly Root[] = ['id', 'uid', 'attempt', 'queue', 'body', 'override']
const PLAIN = /\{\{|\}\}|[^{}]+|\}/uy
const ROOT = /\{([^.[\]{}]*)/uy

/**
 * Reads an argument with placeholders such as `{id}`, `{body.path.to.field}` and `{body["any key"]}`; `{{`
 * and `}}` are plain braces.
 *
 * @throws TypeError that says what is wrong with it
 */
export function parseArgument(text: string): ArgumentTemplate {
  if (text.includes('\0')) throw new TypeError('must not contain the NUL character')
  const pieces: (string | Placeholder)[] = []
  let at = 0
  while (at < text.length) {
    const plain = matchAt(PLAIN, text, at)?.[0]
    if (plain === undefined) {
      const placeholder = readPlaceholder(text, at)
      pieces.push(placeholder)
      at += placeholder.text.length
    } else {
      pieces.push(plain === '{{' || plain === '}}' ? plain.charAt(0) : plain)
      at += plain.length
    }
  }
  return pieces
}

function readPlaceholder(text: string, at: number): Placeholder {
  const [begun = '', name = ''] = matchAt(ROOT, text, at) ?? []
  const { keys, end } = readBodyPath(text, at + begun.length)
  if (text.charAt(end) !== '}') throw new TypeError(unreadable(text, at, end))
  const token = text.slice(at, end + 1)
  const root = ROOTS.find((known) => known === name)
  const isWhole = root !== undefined && (keys.length === 0 ? root !== 'override' : root === 'body')
  if (root === undefined || !(isWhole || (root === 'override' && keys.length === 1))) {
    throw new TypeError(
      `has the unknown placeholder ${token}; there are {id}, {uid}, {attempt}, {queue}, {body}, {body.field}, ` +
        '{body["any field"]} and {override.name}, and "{{" for a plain brace',
    )
  }
  return { text: token, root, keys }
}

/** The names of the overrides that a command has placeholders for. */
export function overrideNames(templates: readonly ArgumentTemplate[]): readonly string[] {
  const names = templates
    .flat()
    .flatMap((piece) => (typeof piece === 'object' && piece.root === 'override' ? piece.keys : []))
  return [...new Set(names)]
}

function unreadable(text: string, from: number, at: number): string {
  const close = text.indexOf('}', from)
  if (close < 0) return 'has a "{" without its "}"; write "{{" for a plain brace'
  return (
    `has ${text.slice(from, close + 1)}, which can't be read from character ${at - from + 1} on; write {body.field}, {body.list[0]}, ` +
    '{body["any field"]}, and "{{" for a plain brace'
  )
}

function matchAt(expression: RegExp, text: string, at: number): RegExpExecArray | null {
  expression.lastIndex = at
  return expression.exec(text)
}

/**
 * The arguments for one item. No shell is involved: each stays one argument whatever it contains.
 *
 * @throws SluiceError SLUICE_JOB_REJECTED that names the placeholder, when the body lacks the field or has
 * null there, or a value has a NUL character
 */
export function renderArguments(
  templates: readonly ArgumentTemplate[],
  item: TemplateItem,
  advice = FAILED_ADVICE,
): string[] {
  const filled = (piece: Placeholder): string => {
    const text = fill(piece, item)
    if (typeof text === 'string') return text
    throw rejected(item.id, `${text.why}. ${advice}`)
  }
  return templates.map((template) =>
    template.map((piece) => (typeof piece === 'string' ? piece : filled(piece))).join(''),
  )
}

/** For an item that was sent, and is in FAIL for it. */
const FAILED_ADVICE =
  'Requeue it and update its body to one that fits the command: sluice requeue, then sluice load --update-waiting'
/** For an item that still waits, or is yet to be loaded: there is nothing to requeue. */
export const WAITING_ADVICE =
  'Correct its body to one that fits the command: in the list, then sluice load --update-waiting; or take the item out: sluice rm'

function fill(placeholder: Placeholder, item: TemplateItem): string | { readonly why: string } {
  const { root, keys } = placeholder
  if (root === 'override') return item.overrides?.[keys[0] ?? ''] ?? ''
  const value = root === 'body' ? bodyValueAt(item.body, keys) : item[root]
  // The text "null" would run a job on something that the item does not name.
  if (value === undefined || value === null)
    return { why: `${placeholder.text}: ${missingInBody(item.body, keys)}` }
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  if (text.includes('\0')) {
    return {
      why: `${placeholder.text} has a NUL character, which no argument can carry: it is whole in the JSON on stdin`,
    }
  }
  return text
}

function rejected(itemId: string, why: string): SluiceError {
  const message = `Item ${JSON.stringify(itemId)} can't become a command: ${why}.`
  return new SluiceError('SLUICE_JOB_REJECTED', message, { itemId, concerns: 'item' })
}
