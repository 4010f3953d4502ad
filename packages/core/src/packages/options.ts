import { SluiceError } from '../errors.js'
import type { SchemaIssue, StandardSchema } from '../json/standard-schema.js'

/** What checks the options of a package. */
export type OptionsSchema<Output> = StandardSchema<unknown, Output>

/**
 * Checks the options of `openQueue` or `openWorker` against the schema of the package.
 *
 * @param what the package, for the message, such as `@sluice/queue-sql`
 * @throws SluiceError SLUICE_CONFIG_INVALID with a line for each wrong field; no value is repeated, since it
 * may be a secret
 */
export async function checkOptions<Output>(
  schema: OptionsSchema<Output>,
  options: unknown,
  what: string,
): Promise<Output> {
  const result = await schema['~standard'].validate(options)
  if (result.issues === undefined) return result.value
  const lines = result.issues.map((issue) => `  ${issuePath(issue)}: ${issue.message}`)
  throw new SluiceError('SLUICE_CONFIG_INVALID', `The options of ${what} are wrong:\n${lines.join('\n')}`)
}

function issuePath(issue: SchemaIssue): string {
  const steps = (issue.path ?? []).map((step) => String(typeof step === 'object' ? step.key : step))
  return steps.length === 0 ? 'options' : steps.join('.')
}
