/** A part of a text of a template, as far as it matters here. */
export type Piece =
  /** It stands in the template. */
  | { readonly kind: 'literal'; readonly text: string }
  /** The value of a parameter of the workflow. */
  | ParameterPiece
  /** Something else that Argo puts in. `harmless`: no dollar can be in it. */
  | { readonly kind: 'other'; readonly harmless: boolean }

export interface ParameterPiece {
  readonly kind: 'parameter'
  /** {@link EVERY_PARAMETER} where it can't be told which one. */
  readonly name: string
  /**
   * How the value gets there: `plain` as it is, `json` within a JSON text, `parsed` after Argo parsed it as
   * JSON, `computed` by an expression, `parsed-computed` by one that parses it.
   */
  readonly how: 'plain' | 'json' | 'parsed' | 'computed' | 'parsed-computed'
}

export const EVERY_PARAMETER = '*'

/** What the tags of a text may refer to, beside the workflow's own parameters. */
export interface TextScope {
  readonly inputs: ReadonlyMap<string, readonly Piece[]>
  readonly item?: ItemText | undefined
}

/** What `{{item}}` may be, and `{{item.x}}` by the names of fields where they are known. */
export interface ItemText {
  readonly whole: readonly Piece[]
  readonly fields?: ReadonlyMap<string, readonly Piece[]>
}

export const NO_SCOPE: TextScope = { inputs: new Map() }

const TAG = /\{\{([\s\S]*?)\}\}/gu

/** Splits a text of a template into what stands there and what Argo puts in. */
export function parseText(text: string, scope: TextScope): readonly Piece[] {
  const pieces: Piece[] = []
  let at = 0
  for (const { index, 0: tag, 1: inner = '' } of text.matchAll(TAG)) {
    pieces.push({ kind: 'literal', text: text.slice(at, index) }, ...tagPieces(inner, scope))
    at = index + tag.length
  }
  pieces.push({ kind: 'literal', text: text.slice(at) })
  // Braces that are left over: an expression with braces of its own, or a tag within a tag.
  const odd = pieces.some((piece) => piece.kind === 'literal' && /\{\{|\}\}/u.test(piece.text))
  return odd ? expressionPieces(text, scope) : pieces.filter((piece) => !isEmpty(piece))
}

function isEmpty(piece: Piece): boolean {
  return piece.kind === 'literal' && piece.text === ''
}

function tagPieces(inner: string, scope: TextScope): readonly Piece[] {
  const reference = inner.trim()
  if (reference.startsWith('=')) return expressionPieces(reference, scope)
  const [, of, name] = /^(workflow|inputs)\.parameters(?:\.(.+))?$/su.exec(reference) ?? []
  if (of === 'workflow') return workflowPieces(name)
  if (of === 'inputs') return inputPieces(name, scope)
  const item = /^item(?:\.(?<field>.+))?$/su.exec(reference)
  if (item !== null) return itemPieces(scope.item, item.groups?.['field'])
  // Braces too many, or something newer than this.
  if (/(?:workflow|inputs).*parameters/su.test(reference) && !reference.includes('outputs'))
    return expressionPieces(reference, scope)
  return [{ kind: 'other', harmless: HARMLESS.test(reference) }]
}

function itemPieces(item: ItemText | undefined, field?: string): readonly Piece[] {
  if (item === undefined) return OPAQUE
  return (field === undefined ? undefined : item.fields?.get(field)) ?? item.whole
}

export const OPAQUE: readonly Piece[] = [{ kind: 'other', harmless: false }]

/** Names, numbers and instants of Argo's own, in which no dollar can be. */
const HARMLESS =
  /^(?:workflow\.(?:name|uid|namespace|serviceAccountName|mainEntrypoint|priority|duration|status|creationTimestamp|scheduledTime|labels\.)|pod\.name$|node\.name$|retries$|lastRetry\.(?:exitCode|status|duration)$|(?:steps|tasks)\.[^.]+\.(?:id|ip|status|exitCode|startedAt|finishedAt|hostNodeName)$)/u

function workflowPieces(name: string | undefined): readonly Piece[] {
  // All of them, as one JSON text.
  if (name === undefined || name === 'json') {
    const all: Piece = { kind: 'parameter', name: EVERY_PARAMETER, how: 'json' }
    const own: Piece[] = name === undefined ? [] : [{ kind: 'parameter', name, how: 'plain' }]
    return [QUOTE, all, QUOTE, ...own]
  }
  return [{ kind: 'parameter', name, how: 'plain' }]
}

const QUOTE: Piece = { kind: 'literal', text: '"' }

function inputPieces(name: string | undefined, { inputs }: TextScope): readonly Piece[] {
  if (name !== undefined) return inputs.get(name) ?? OPAQUE
  const all = [...inputs.values()].flat().map((piece) => (piece.kind === 'parameter' ? inJson(piece) : piece))
  return [QUOTE, ...all, QUOTE]
}

function inJson(piece: ParameterPiece): ParameterPiece {
  return piece.how === 'plain' ? { ...piece, how: 'json' } : piece
}

const IN_EXPRESSION =
  /\b(workflow|inputs)\s*\.\s*parameters(?:\s*\.\s*([\w-]+)|\s*\[\s*(?:"([^"]*)"|'([^']*)')\s*\])?/gu

/** Every parameter that an expression names, or could mean. */
function expressionPieces(text: string, scope: TextScope): readonly Piece[] {
  const how = /fromJson|jsonpath|fromYaml/iu.test(text) ? 'parsed-computed' : 'computed'
  const found: Piece[] = []
  let rest = text
  for (const [whole, of, dotted, ...quoted] of text.matchAll(IN_EXPRESSION)) {
    rest = rest.replace(whole, '')
    const name = dotted ?? quoted.find((one) => one !== undefined)
    found.push(...namedPieces(of === 'workflow', name, scope))
  }
  if (/\b(?:workflow\b(?!\s*\.\s*\w)|workflow\s*\.\s*parameters)/u.test(rest))
    found.push(...workflowPieces(undefined))
  if (/\binputs\b(?!\s*\.\s*artifacts)/u.test(rest)) found.push(...inputPieces(undefined, scope))
  if (/\bitem\b/u.test(rest)) found.push(...itemPieces(scope.item))
  return [...OPAQUE, ...found.flatMap((piece) => computed(piece, how)), ...OPAQUE]
}

function namedPieces(ofWorkflow: boolean, name: string | undefined, scope: TextScope): readonly Piece[] {
  const pieces = ofWorkflow ? workflowPieces(name) : inputPieces(name, scope)
  // What is a hyphen in a name is a minus in an expression.
  const [first = ''] = (name ?? '').split('-')
  if (first === name || first === '') return pieces
  return [...pieces, ...namedPieces(ofWorkflow, first, scope)]
}

function computed(piece: Piece, how: 'computed' | 'parsed-computed'): readonly Piece[] {
  if (piece.kind !== 'parameter') return []
  const parses = how === 'parsed-computed' || piece.how === 'parsed' || piece.how === 'parsed-computed'
  return [{ ...piece, how: parses ? 'parsed-computed' : 'computed' }]
}

/** The parameters of a text that Argo parses as JSON, as one piece of what comes out of it may have them. */
export function parsedPieces(pieces: readonly Piece[]): readonly Piece[] {
  const parameters = pieces.flatMap((piece): readonly ParameterPiece[] => {
    if (piece.kind !== 'parameter') return []
    const how = piece.how === 'computed' || piece.how === 'parsed-computed' ? 'parsed-computed' : 'parsed'
    return [{ ...piece, how }]
  })
  return parameters.length === 1 && pieces.length === 1 ? parameters : [...parameters, ...OPAQUE]
}
