import type { QueueItem } from '../../items/item.js'
import type { ParsedBody } from '../../items/queue.js'
import { cloneJson } from '../../json/json-copy.js'
import { jsonPath } from '../../json/json-path.js'
import type { JsonValue } from '../../json/json.js'
import type { SchemaIssue, SchemaResult, StandardSchema } from '../../json/standard-schema.js'

/** A schema of bodies. Its output need not be JSON: what it transforms a body into is the consumer's own. */
export type BodySchema = StandardSchema<unknown, JsonValue>

/**
 * A claimed item whose body was read by the schema: with the schema's output, with why it does not fit, or
 * with the error of the schema.
 */
export type ParsedItem =
  | { readonly item: QueueItem; readonly reason?: undefined; readonly error?: undefined }
  | { readonly item: QueueItem; readonly reason: string; readonly error?: undefined }
  | { readonly item: QueueItem; readonly reason?: undefined; readonly error: unknown }

/**
 * The bodies of a queue that was opened with a schema. The schema gets a copy of each, so that what it
 * changes stays its own.
 */
export class BodyParser {
  readonly #schema: BodySchema

  constructor(schema: BodySchema) {
    this.#schema = schema
  }

  /** @throws TypeError with a `cause` when the schema throws or rejects */
  async parse(stored: JsonValue): Promise<ParsedBody<JsonValue>> {
    const result = await this.#validate(stored)
    return result.issues === undefined ? { body: result.value } : { reason: reasonOf(result.issues) }
  }

  /**
   * Checks bodies before any of them is stored.
   *
   * @param what the words for one of them, such as `items[3]: body`
   * @throws TypeError that names the first one that does not fit, and the path in it
   */
  async assertAll(bodies: readonly JsonValue[], what: (index: number) => string): Promise<void> {
    const results = await Promise.all(bodies.map((body) => this.parse(body)))
    for (const [index, { reason }] of results.entries()) {
      if (reason !== undefined) throw new TypeError(`${what(index)} does not fit the schema: ${reason}`)
    }
  }

  async parseItem(item: QueueItem): Promise<ParsedItem> {
    try {
      const parsed = await this.parse(item.body)
      return parsed.reason === undefined
        ? { item: { ...item, body: parsed.body } }
        : { item, reason: parsed.reason }
    } catch (error) {
      return { item, error }
    }
  }

  async #validate(stored: JsonValue): Promise<SchemaResult<JsonValue>> {
    try {
      return await this.#schema['~standard'].validate(cloneJson(stored))
    } catch (error) {
      throw new TypeError('the schema of the bodies failed: it threw, or rejected', { cause: error })
    }
  }
}

/** How many issues a reason names. */
const MAX_ISSUES = 3

function reasonOf(issues: readonly SchemaIssue[]): string {
  const named = issues.slice(0, MAX_ISSUES).map(({ path = [], message }) => {
    const keys = path.map((step) => (typeof step === 'object' ? step.key : step))
    return `${jsonPath(keys.map((key) => (typeof key === 'number' ? key : String(key))))}: ${message}`
  })
  const more = issues.length - named.length
  return named.join('; ') + (more > 0 ? `; ${more} more` : '')
}
