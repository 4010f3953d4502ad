import { utf8Bytes } from '@sluice/core'
import { goTextBytes } from './go-json.js'
import {
  doubleDollars,
  doubleDollarsInJson,
  hasBracesInJson,
  hasEscapedDollar,
  hasRiskyDollar,
  hasRiskyDollarInJson,
  opensReference,
} from './kubelet-dollars.js'
import type { ParameterValue } from '../parameters/job-parameters.js'
import { filledPlaces, type Filled } from './filled-place.js'
import type { Place } from './template-places.js'
import { EVERY_PARAMETER, type ParameterPiece } from './template-text.js'
import type { TemplateUses } from './template-uses.js'

/** Values as they are sent, or why they can't be. */
export interface Fit {
  readonly parameters: ReadonlyMap<string, string>
  /** One line each; none: the program gets each value byte for byte. */
  readonly problems: readonly string[]
}

/**
 * From this size on a template might reach its pod in a file, which nothing expands; Argo does so from 128
 * KiB on, and adds fields of its own before.
 */
const MAX_EXPANDED_BYTES = 102_400

/** The longest value whose place isn't known: it fits into a variable with a name of up to 3,070 bytes. */
const MAX_BYTES_ANYWHERE = 128_000

/** Whether the value arrives unchanged depends on where the template puts it. */
export function isRisky({ text, form }: ParameterValue): boolean {
  if (form === 'settled') return false
  return (form === 'text' && hasRiskyDollar(text)) || (/^\s*[[{"]/u.test(text) && hasRiskyDollarInJson(text))
}

/**
 * Values as they are sent where the template can't be read: whether dollars are rewritten is then not known.
 */
export function fitBlindly(values: ReadonlyMap<string, ParameterValue>, maxBytes = MAX_BYTES_ANYWHERE): Fit {
  const problems = [...values].flatMap(([name, { text, form }]) => {
    if (form === 'text' && hasRiskyDollar(text)) return [mixed(name, 'the template may not be read')]
    return lengthProblem(name, text, maxBytes)
  })
  return { parameters: new Map([...values].map(([name, { text }]) => [name, text])), problems }
}

/**
 * Values as they must be sent so that each arrives unchanged, wherever the template puts it: where the
 * kubelet expands dollars in every place of a value, they are doubled.
 */
export function fitValues(
  values: ReadonlyMap<string, ParameterValue>,
  uses: TemplateUses,
  maxUnknownBytes = MAX_BYTES_ANYWHERE,
): Fit {
  const parameters = new Map<string, string>()
  const doubled = new Set<string>()
  const problems: string[] = []
  for (const [name, value] of values) {
    const used = usesOf(name, uses.places)
    const parsed = used.find(({ parses }) => parses)
    if (parsed !== undefined && hasBracesInJson(value.text))
      problems.push(braces(name, `once it is parsed for ${parsed.where}`))
    const fitted = fitValue(value, used)
    if ('trouble' in fitted) problems.push(mixed(name, fitted.trouble))
    else if (fitted.text !== value.text) doubled.add(name)
    parameters.set(name, 'text' in fitted ? fitted.text : value.text)
  }
  const filled = filledPlaces({ values, parameters, doubled, uses })
  problems.push(
    ...sizeProblems(filled, { parameters, doubled, uses, maxUnknownBytes }),
    ...neighbourProblems(filled),
    ...openProblems(filled, uses),
  )
  return { parameters, problems: [...new Set(problems)] }
}

/** How one place takes one value. */
interface Use {
  readonly way: 'expanded' | 'parsed' | 'verbatim' | 'unknown'
  /** Whether it may be parsed as JSON before it lands. */
  readonly parses: boolean
  readonly where: string
}

function usesOf(name: string, places: readonly Place[]): readonly Use[] {
  return places.flatMap(({ kind, where, pieces }) => {
    if (kind === 'passed') return []
    return pieces.flatMap((piece): readonly Use[] =>
      piece.kind === 'parameter' && (piece.name === name || piece.name === EVERY_PARAMETER)
        ? [{ way: wayOf(kind, piece), parses: piece.how.startsWith('parsed'), where }]
        : [],
    )
  })
}

function wayOf(kind: Exclude<Place['kind'], 'passed'>, { how }: ParameterPiece): Use['way'] {
  if (kind !== 'expanded') return kind
  if (how === 'parsed') return 'parsed'
  return how === 'plain' || how === 'json' ? 'expanded' : 'unknown'
}

type FittedValue = { readonly text: string } | { readonly trouble: string }

function fitValue({ text, form }: ParameterValue, uses: readonly Use[]): FittedValue {
  // What a JSON text holds matters only where it is parsed: as it stands it has no dollar that anything
  // reads.
  const concerned = form === 'json' ? uses.filter(({ parses }) => parses) : uses
  const parses = concerned.some((use) => use.parses)
  const risky = (form === 'text' && hasRiskyDollar(text)) || (parses && hasRiskyDollarInJson(text))
  if (form === 'settled' || !risky || concerned.every(({ way }) => way === 'verbatim')) return { text }
  const unsure = uses.find(({ way }) => way === 'unknown')
  if (unsure !== undefined) return { trouble: `whether they are expanded in ${unsure.where} is not known` }
  const verbatim = uses.find(({ way }) => way === 'verbatim')
  const other = uses.find(({ way }) => way !== 'verbatim')
  if (verbatim !== undefined && other !== undefined)
    return { trouble: `they are expanded in ${other.where}, and not in ${verbatim.where}` }
  const ways = new Set(uses.map(({ way }) => way))
  if (!ways.has('parsed')) return { text: doubleDollars(text) }
  if (ways.size > 1 && hasEscapedDollar(text))
    return {
      trouble: `it is parsed as JSON for ${uses.find(({ way }) => way === 'parsed')?.where}, and not for all`,
    }
  return { text: doubleDollarsInJson(text) }
}

function mixed(name: string, why: string): string {
  return (
    `parameter ${name} has dollars that Kubernetes may rewrite ($$, $(, one at the end, or one before a letter beyond ASCII), and ${why}: ` +
    `map it with \`as: base64\` or \`as: json\`; or with \`as: kubernetes\`, if all that uses it is env, args, command, a script or the like, ` +
    `and with \`as: verbatim\`, if nothing of that does`
  )
}

function braces(name: string, where: string): string {
  return `parameter ${name} makes "{{" ${where}, which Argo would evaluate as a template: map it with \`as: base64\``
}

function lengthProblem(name: string, text: string, maxBytes: number): readonly string[] {
  const bytes = utf8Bytes(text)
  if (bytes <= maxBytes) return []
  return [
    `parameter ${name} is ${bytes} bytes, and at most ${maxBytes} are sure to reach a program: put the data elsewhere and its address into the body`,
  ]
}

interface Fitting {
  readonly parameters: ReadonlyMap<string, string>
  readonly doubled: ReadonlySet<string>
  readonly uses: TemplateUses
  readonly maxUnknownBytes: number
}

function sizeProblems(
  filled: readonly Filled[],
  { parameters, doubled, uses, maxUnknownBytes }: Fitting,
): readonly string[] {
  const problems: string[] = []
  const bytes = filled.reduce((sum, one) => sum + goTextBytes(one.added), uses.bytes)
  if (bytes >= MAX_EXPANDED_BYTES) {
    const why = `the template with all values is ${bytes} bytes as JSON: from ${MAX_EXPANDED_BYTES} on they are not surely expanded`
    problems.push(...[...doubled].map((name) => mixed(name, why)))
  }
  for (const [name, text] of parameters) {
    const unsure = usesOf(name, uses.places).some(({ way }) => way === 'unknown')
    if (unsure) problems.push(...lengthProblem(name, text, maxUnknownBytes))
  }
  for (const { place, text, spans } of filled) {
    const { maxBytes = Number.POSITIVE_INFINITY, where } = place
    const textBytes = utf8Bytes(text)
    if (textBytes <= maxBytes) continue
    const longest = spans.toSorted((a, b) => b.end - b.start - (a.end - a.start))[0]
    if (longest !== undefined)
      problems.push(
        `parameter ${longest.name} makes ${where} ${textBytes} bytes long, and Linux passes at most ${maxBytes} there: put the data elsewhere and its address into the body`,
      )
  }
  return problems
}

/** A neighbour of a value in the template may make `{{` or a reference with it. */
function neighbourProblems(filled: readonly Filled[]): readonly string[] {
  return filled.flatMap((one) => {
    const { where } = one.place
    const joinedBraces = one.joinedBraces()
    if (joinedBraces !== undefined) return [braces(joinedBraces, `with what is next to it in ${where}`)]
    const joined = one.place.kind === 'expanded' ? one.joinedDollar() : undefined
    return joined === undefined ? [] : [mixed(joined, `it stands next to a dollar in ${where}`)]
  })
}

/**
 * Scripts and the like are part of one text, the template: a `$(` that another part of it leaves open reaches
 * into them.
 */
function openProblems(filled: readonly Filled[], uses: TemplateUses): readonly string[] {
  if (!uses.opensReference && !filled.some(({ text }) => opensReference(text))) return []
  return filled.flatMap(({ place, spans }) =>
    spans
      .filter(({ doubled }) => doubled && place.ofTemplate === true)
      .map(({ name }) =>
        mixed(name, `another text of the template has "$(" without ")", which reaches into ${place.where}`),
      ),
  )
}
