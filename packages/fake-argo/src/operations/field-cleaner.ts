import type { JsonValue } from '@sluice/core'
import { asObject, isObject, type JsonObject } from '../argo-workflow.js'

/**
 * The selection of `fields`. Paths are compared as text: a selected path keeps its parents, and a key whose
 * path is only the beginning of a selected name is kept too.
 */
export class FieldCleaner {
  readonly #excludes: boolean
  readonly #fields: ReadonlySet<string>

  private constructor(excludes: boolean, fields: Iterable<string>) {
    this.#excludes = excludes
    this.#fields = new Set(fields)
  }

  /** Reads `fields`; one leading `-` turns the whole list into what is left out. */
  static of(fields: string): FieldCleaner {
    const excludes = fields.startsWith('-')
    const list = excludes ? fields.slice(1) : fields
    return new FieldCleaner(excludes, list === '' ? [] : list.split(','))
  }

  /** Whether it is empty, so that all is kept. */
  get keepsAll(): boolean {
    return this.#fields.size === 0
  }

  /** The same without a prefix of its paths. */
  without(prefix: string): FieldCleaner {
    const shorter = [...this.#fields].map((one) => (one.startsWith(prefix) ? one.slice(prefix.length) : one))
    return new FieldCleaner(this.#excludes, shorter)
  }

  /** What is kept of a value. */
  clean(value: unknown, path = ''): JsonValue {
    if (Array.isArray(value)) return value.map((one) => this.clean(one, path))
    if (!isObject(value)) return isScalar(value) ? value : null
    const kept: Record<string, JsonValue> = {}
    for (const [key, inner] of Object.entries(value)) {
      if (inner === undefined) continue
      const innerPath = path === '' ? key : `${path}.${key}`
      const asked = this.#fields.has(innerPath)
      if (this.#excludes ? asked : !asked && !this.#leadsTo(innerPath)) continue
      kept[key] = asked ? inner : this.clean(inner, innerPath)
    }
    return kept
  }

  #leadsTo(path: string): boolean {
    for (const field of this.#fields) if (field.startsWith(path)) return true
    return false
  }
}

function isScalar(value: unknown): value is string | number | boolean | null {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value)
}

/**
 * A workflow with what Go's structs always show: they come back after cleaning.
 *
 * @param timestamps whether an empty creationTimestamp is one of them
 */
export function withZeroFields(workflow: JsonObject, timestamps: boolean): JsonObject {
  const { metadata, spec, status, ...rest } = workflow
  return {
    ...rest,
    metadata: { ...(timestamps ? { creationTimestamp: null } : {}), ...asObject(metadata) },
    spec: { arguments: {}, ...asObject(spec) },
    status: { startedAt: null, finishedAt: null, ...asObject(status) },
  }
}
