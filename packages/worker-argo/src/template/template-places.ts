import { utf8Bytes, type JsonValue } from '@sluice/core'
import { EVERY_PARAMETER, parseText, type Piece, type TextScope } from './template-text.js'

/** A JSON object. */
export type JsonObject = { readonly [key: string]: JsonValue }

/**
 * What happens to a text once Argo has put the values in.
 *
 * - `expanded`: the kubelet expands dollars in it
 * - `verbatim`: nothing does
 * - `unknown`: one or the other
 * - `passed`: it is handed on to other texts, which are places of their own
 */
export type PlaceKind = 'expanded' | 'verbatim' | 'unknown' | 'passed'

/** One text of a template that values are put into. */
export interface Place {
  /** For messages, such as `env ITEM of template main`. */
  readonly where: string
  readonly kind: PlaceKind
  readonly pieces: readonly Piece[]
  /** The longest that the text may be, filled in, for Linux to start the program. */
  readonly maxBytes?: number
  /** It is read out of the template as a whole, which is one text for the kubelet. */
  readonly ofTemplate?: boolean
}

/** The longest string that Linux passes to a program, without the NUL that ends it. */
const MAX_ARGUMENT_BYTES = 131_071

/** The most bytes of a value in a variable of this name: Linux counts `NAME=value` and a NUL. */
function maxVariableBytes(name: string): number {
  return MAX_ARGUMENT_BYTES - utf8Bytes(name) - 1
}

type HowPlaced = Pick<Place, 'kind' | 'maxBytes' | 'ofTemplate'>

/** Where a text is found, and what its tags may refer to. */
export interface Spot {
  readonly where: string
  readonly scope: TextScope
}

/**
 * The places of a template, as they are found: fields of pods here, what leads from one template to another
 * in `template-uses`.
 */
export class PlaceList {
  readonly places: Place[] = []

  /** Notes a text, or every text within a value. What no value is put into is no place. */
  add(how: PlaceKind | HowPlaced, value: JsonValue | undefined, spot: Spot): void {
    if (typeof value === 'string') {
      if (!value.includes('{{')) return
      const details = typeof how === 'string' ? { kind: how } : how
      this.#put({ ...details, where: spot.where, pieces: parseText(value, spot.scope) })
    } else if (typeof value === 'object' && value !== null) {
      for (const each of Object.values(value)) this.add(how, each, spot)
    }
  }

  /** Notes a place where any parameter may land. */
  addUnknown(where: string): void {
    this.#put({
      kind: 'unknown',
      where,
      pieces: [{ kind: 'parameter', name: EVERY_PARAMETER, how: 'plain' }],
    })
  }

  /** Notes a text that the kubelet expands as a part of the template. */
  addTemplateText(value: JsonValue | undefined, spot: Spot): void {
    this.add({ kind: 'expanded', ofTemplate: true }, value, spot)
  }

  #put(place: Place): void {
    if (place.pieces.some((piece) => piece.kind === 'parameter')) this.places.push(place)
  }

  /** A container, a script, a sidecar or an init container. */
  addContainer(value: JsonValue | undefined, { where, scope }: Spot): void {
    for (const [field, content] of Object.entries(asObject(value))) {
      const spot = { where: `${field} of ${where}`, scope }
      if (field === 'env') this.#addEnv(content, { where, scope })
      else if (field === 'args' || field === 'command')
        this.add({ kind: 'expanded', maxBytes: MAX_ARGUMENT_BYTES }, content, spot)
      else if (field === 'source') this.addTemplateText(content, spot)
      else this.add(UNSEEN_OF_CONTAINER.has(field) ? 'unknown' : 'verbatim', content, spot)
    }
  }

  #addEnv(value: JsonValue, { where, scope }: Spot): void {
    for (const variable of asArray(value).map(asObject)) {
      const { name, value: text, ...rest } = variable
      const spot = { where: `env ${asText(name)} of ${where}`, scope }
      this.add({ kind: 'expanded', maxBytes: maxVariableBytes(asText(name)) }, text, spot)
      this.add('verbatim', [name ?? null, rest], spot)
    }
  }

  /**
   * Artifacts of `inputs` or `arguments`: what an executor reads of them beside their raw data is not known.
   */
  addArtifacts(value: JsonValue | undefined, { where, scope }: Spot): void {
    for (const artifact of asArray(value).map(asObject)) {
      const { raw, ...rest } = artifact
      const spot = { where: `artifact ${asText(artifact['name'])} of ${where}`, scope }
      this.addTemplateText(asObject(raw)['data'], spot)
      this.add('unknown', rest, spot)
    }
  }
}

/** The kubelet expands some of their texts. */
const UNSEEN_OF_CONTAINER = new Set([
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
  'volumeMounts',
])

export function asObject(value: unknown): JsonObject {
  return isObject(value) ? value : {}
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A text as it is; anything else as JSON. */
export function asText(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? '')
}

export function asArray(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : []
}
