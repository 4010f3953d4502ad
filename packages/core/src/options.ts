import { SluiceError } from './errors.js'

/**
 * The part of the Standard Schema interface that Sluice calls, so that a package may check its options with zod, valibot,
 * arktype or code of its own.
 *
 * @see https://standardschema.dev
 */
export interface OptionsSchema<Output> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/**
 * Checks the options of `openQueue` or `openWorker` against the schema of the package.
 *
 * @param what the package, for the message, such as `@sluice/queue-sql`
 * @throws SluiceError SLUICE_CONFIG_INVALID with a line for each wrong field; no value is repeated, since it may be a secret
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
