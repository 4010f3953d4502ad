import type { ParameterValue } from '../parameters/job-parameters.js'
import { dollarTokens } from './kubelet-dollars.js'
import type { Place } from './template-places.js'
import { EVERY_PARAMETER, type ParameterPiece } from './template-text.js'
import type { TemplateUses } from './template-uses.js'

/** Where the value of a parameter is in a text. */
interface Span {
  readonly name: string
  readonly start: number
  readonly end: number
  /** Its dollars are doubled. */
  readonly doubled: boolean
  /** Its dollars are the user's responsibility. */
  readonly settled: boolean
  /** What stands before it is known only at run time. */
  readonly afterUnknown: boolean
  /** Only some part of it comes there: an item of a list. */
  readonly part: boolean
}

interface Filling {
  readonly values: ReadonlyMap<string, ParameterValue>
  /** The same as they are sent. */
  readonly parameters: ReadonlyMap<string, string>
  readonly doubled: ReadonlySet<string>
  readonly uses: TemplateUses
}

/** Every place of a template with the values of one item in it. */
export function filledPlaces(filling: Filling): readonly Filled[] {
  return filling.uses.places.map((place) => new Filled(place, filling))
}

/** One text of a template with the values of one item in it. */
export class Filled {
  readonly place: Place
  readonly spans: readonly Span[]
  readonly text: string
  /** The values that were put in, one after the other. */
  readonly added: string

  constructor(place: Place, filling: Filling) {
    const spans: Span[] = []
    let text = ''
    let added = ''
    let afterUnknown = false
    for (const piece of place.pieces) {
      if (piece.kind === 'literal') text += piece.text
      // It ends no dollar before it, and begins nothing with one behind it.
      else if (piece.kind === 'other') text += piece.harmless ? 'x' : ''
      else {
        for (const [name, value] of textsOf(piece, filling)) {
          const [start, end] = [text.length, text.length + value.length]
          text += value
          added += value
          const form = filling.values.get(name)?.form
          if (form === undefined) continue
          const settled = form === 'settled' || piece.how.endsWith('computed')
          const part = piece.how === 'parsed'
          spans.push({ name, start, end, settled, part, afterUnknown, doubled: filling.doubled.has(name) })
        }
        if (piece.name === EVERY_PARAMETER) text += '"'
      }
      afterUnknown = piece.kind === 'other' && !piece.harmless
    }
    this.place = place
    this.spans = spans
    this.text = text
    this.added = added
  }

  /** The parameter of which a brace and its neighbour make `{{`. */
  joinedBraces(): string | undefined {
    for (let at = this.text.indexOf('{{'); at !== -1; at = this.text.indexOf('{{', at + 1)) {
      const own = this.#spanAt(at, at + 2)
      if (own !== undefined) return own.name
    }
    // The items of a list may begin and end with anything that is in it.
    return this.spans.find(({ part, start, end }) => part && this.#isNextToBrace(start, end))?.name
  }

  /** The parameter that the kubelet would change, or read as a part of something. */
  joinedDollar(): string | undefined {
    const { text, spans } = this
    const guarded = spans.filter(({ settled }) => !settled)
    const open = guarded.find((span) => this.#isOpenBefore(span))
    if (open !== undefined) return open.name
    for (const { start, end, kind } of dollarTokens(text)) {
      if (kind === 'plain' && isAscii(text[end - 1] ?? '')) continue
      const met = guarded.find((span) => span.start < end && span.end > start)
      const whole = met !== undefined && met.doubled && met.start <= start && end <= met.end
      if (met !== undefined && !(whole && kind === 'escape')) return met.name
    }
    return undefined
  }

  /** Whether a dollar may stand before it, and be read together with it. */
  #isOpenBefore({ start, end, afterUnknown, part }: Span): boolean {
    const value = this.text.slice(start, end)
    return (
      (afterUnknown && /^[$(]/u.test(value)) || (part && this.text[start - 1] === '$' && /[$(]/u.test(value))
    )
  }

  #isNextToBrace(start: number, end: number): boolean {
    const touched = this.text[start - 1] === '{' || this.text[end] === '{'
    return touched && /\{|\\u007b/iu.test(this.text.slice(start, end))
  }

  #spanAt(start: number, end: number): Span | undefined {
    return this.spans.find((span) => span.start < end && span.end > start)
  }
}

/**
 * The texts of the parameters that a piece puts there; those that the item doesn't give are the template's
 * own.
 */
function textsOf(
  { name, how }: ParameterPiece,
  { parameters, uses }: Filling,
): readonly (readonly [string, string])[] {
  const names =
    name === EVERY_PARAMETER ? new Set([...uses.defaults.keys(), ...parameters.keys()]) : new Set([name])
  return [...names].map((one) => {
    const text = parameters.get(one) ?? uses.defaults.get(one) ?? ''
    const inner = how === 'json' ? JSON.stringify(text).slice(1, -1) : text
    return [one, inner] as const
  })
}

function isAscii(character: string): boolean {
  return character < '\u0080'
}
