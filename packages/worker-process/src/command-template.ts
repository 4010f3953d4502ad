import { SluiceError, type JsonValue } from '@sluice/core'

/** What placeholders are filled from. */
export interface TemplateItem {
  readonly id: string
  readonly uid: string
  readonly attempt: number
  readonly queue: string
  readonly body: JsonValue
}

interface Placeholder {
  /** As written, for messages. */
  readonly text: string
  readonly root: keyof TemplateItem
  readonly path: readonly string[]
}

/** One argument: literal text and placeholders in turn. */
export type ArgumentTemplate = readonly (string | Placeholder)[]

const ROOTS: readonly (keyof TemplateItem)[] = ['id', 'uid', 'attempt', 'queue', 'body']
const TOKEN = /\{\{|\}\}|\{([^{}]*)\}|\{/gu

/**
 * Reads an argument with placeholders such as `{id}` and `{body.path.to.field}`; `{{` and `}}` are plain braces.
 *
 * @throws TypeError that says what is wrong with it
 */
export function parseArgument(text: string): ArgumentTemplate {
  if (text.includes('\0')) throw new TypeError('must not contain the NUL character')
  const pieces: (string | Placeholder)[] = []
  let end = 0
  for (const match of text.matchAll(TOKEN)) {
    pieces.push(text.slice(end, match.index), parseToken(match[0], match[1]))
    end = match.index + match[0].length
  }
  return [...pieces, text.slice(end)].filter((piece) => piece !== '')
}

function parseToken(token: string, inner: string | undefined): string | Placeholder {
  if (token === '{{') return '{'
  if (token === '}}') return '}'
  if (inner === undefined) throw new TypeError('has a "{" without its "}"; write "{{" for a plain brace')
  const [root, ...path] = inner.split('.')
  const known = ROOTS.find((name) => name === root)
  if (known === undefined || path.includes('') || (path.length > 0 && known !== 'body')) {
    throw new TypeError(
      `has the unknown placeholder ${token}; there are {id}, {uid}, {attempt}, {queue}, {body} and {body.field}, ` +
        'and "{{" for a plain brace',
    )
  }
  return { text: token, root: known, path }
}

/**
 * The arguments for one item. No shell is involved: each stays one argument whatever it contains.
 *
 * @throws SluiceError SLUICE_JOB_REJECTED that names the placeholder, when the body lacks the field or a value has a NUL character
 */
export function renderArguments(templates: readonly ArgumentTemplate[], item: TemplateItem): string[] {
  return templates.map((template) =>
    template.map((piece) => (typeof piece === 'string' ? piece : fill(piece, item))).join(''),
  )
}

function fill(placeholder: Placeholder, item: TemplateItem): string {
  const value = placeholder.path.reduce<unknown>(field, item[placeholder.root])
  if (value === undefined) throw rejected(item.id, `its body has no field for ${placeholder.text}`)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  if (text.includes('\0')) {
    throw rejected(item.id, `${placeholder.text} has a NUL character, which no argument can carry`)
  }
  return text
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return Object.getOwnPropertyDescriptor(value, name)?.value
}

function rejected(itemId: string, why: string): SluiceError {
  const message = `Item ${JSON.stringify(itemId)} can't become a command: ${why}. Put it again with a body that fits the command.`
  return new SluiceError('SLUICE_JOB_REJECTED', message, { itemId, concerns: 'item' })
}
