import * as z from 'zod/mini'

const wholeMs = z.int().check(z.gte(0), z.lte(2_147_483_647))

const backoff = z
  .strictObject({
    baseMs: z
      ._default(wholeMs, 1000)
      .check(z.describe('Wait before the second attempt, in ms; it doubles with each further one.')),
    maxMs: z._default(wholeMs, 300_000).check(z.describe('The longest wait between two attempts, in ms.')),
  })
  .check(z.describe('The backoff between attempts, with jitter.'))

const MAX_EXIT_CODE = 255
const EXIT_CODE =
  'must be an exit code from 0 to 255 such as 75, or a range such as "130-145" with the lower code first'

/** The format of the engine: a code, or a range. */
function isExitCodes(text: string): boolean {
  const [, low = '', high = low] = /^(\d{1,3})(?:-(\d{1,3}))?$/u.exec(text) ?? []
  return low !== '' && Number(low) <= Number(high) && Number(high) <= MAX_EXIT_CODE
}

const escalate = z.strictObject({
  parameter: z
    .string()
    .check(
      z.regex(
        /^[a-z][-\w]{0,63}$/iu,
        'must be a letter and then letters, digits, - or _, at most 64 in total',
      ),
      z.describe(
        'With `argo` the parameter of the template; with `process` the placeholder `{override.NAME}` and the variable `SLUICE_OVERRIDE_NAME`.',
      ),
    ),
  values: z
    .array(
      z
        .string()
        .check(z.regex(/^[\x20-\x7E]{1,64}$/u, 'must be a text of 1 to 64 printable ASCII characters')),
    )
    .check(
      z.minLength(1),
      z.describe(
        'The values, the smallest first, such as `[4Gi, 8Gi, 16Gi]`; the first attempt has the first one.',
      ),
    ),
})

const retryRule = z.strictObject({
  classes: z
    .optional(z.array(z.string().check(z.minLength(1))).check(z.minLength(1)))
    .check(z.describe('The failure classes that it matches; default any.')),
  exitCodes: z
    .optional(
      z
        .array(
          z.union(
            [
              z.int().check(z.gte(0), z.lte(MAX_EXIT_CODE)),
              z.string().check(z.refine(isExitCodes, { error: EXIT_CODE })),
            ],
            {
              error: EXIT_CODE,
            },
          ),
        )
        .check(z.minLength(1)),
    )
    .check(
      z.describe(
        'The exit codes that it matches, such as `75`, and ranges, such as `"130-145"`; default any.',
      ),
    ),
  maxAttempts: z
    .int()
    .check(
      z.gte(1),
      z.describe('The most attempts of an item with such a failure, in total; 1 for no retry.'),
    ),
  backoff: z
    .optional(z.strictObject({ baseMs: z.optional(wholeMs), maxMs: z.optional(wholeMs) }))
    .check(z.describe('The backoff between attempts; default `retry.backoff`.')),
  escalate: z
    .optional(escalate)
    .check(z.describe('The next attempt after such a failure gets the next larger value of a parameter.')),
})

/** `retry`. */
export const retry = z
  .strictObject({
    maxAttempts: z
      .optional(z.int().check(z.gte(1)))
      .check(z.meta({ default: 1, description: 'The most attempts of an item before it moves to FAIL.' })),
    backoff: z.prefault(backoff, {}),
    on: z
      .optional(z.array(z.string().check(z.minLength(1))))
      .check(
        z.describe(
          'The failure classes that are retried, such as `failed`, `timeout`, `killed`, `evicted`, `unschedulable`; default all but `rejected`.',
        ),
      ),
    rules: z
      .optional(z.array(retryRule))
      .check(
        z.describe(
          'Retries by class and exit code, instead of `maxAttempts` and `on`: the first matching rule decides; without a match there is no retry. See [Retries](#retries).',
        ),
      ),
  })
  .check(
    z.superRefine(({ rules, maxAttempts, on }, context) => {
      const others = { maxAttempts, on }
      for (const [name, value] of Object.entries(others))
        if (rules !== undefined && value !== undefined)
          context.addIssue({
            code: 'custom',
            path: [name],
            message: 'can’t be combined with retry.rules: set it in each rule',
          })
    }),
    z.describe('The retry policy for failed jobs.'),
  )

/** `deadlines`. */
export const deadlines = z
  .strictObject({
    attemptMs: z
      .optional(z.int().check(z.gte(1), z.lte(2_147_483_647)))
      .check(
        z.describe(
          'After this running time a job is cancelled, in ms; its end counts as `timeout`. Default: never.',
        ),
      ),
    itemMs: z
      .optional(z.int().check(z.gte(1)))
      .check(
        z.describe(
          'After this time since its first claim an item fails as `timeout`, and a job that runs is cancelled, in ms; a requeue begins it again. Default: never.',
        ),
      ),
  })
  .check(z.describe('How long work may take, with workers that can cancel jobs.'))

/** `stragglers`. */
export const stragglers = z
  .strictObject({
    factor: z
      ._default(z.number().check(z.gt(1)), 3)
      .check(
        z.describe(
          'A job is a straggler beyond this multiple of the 95th percentile of successful attempts.',
        ),
      ),
    minSamples: z
      ._default(z.int().check(z.gte(1)), 20)
      .check(z.describe('How many successful attempts the service must have seen before.')),
    action: z
      ._default(z.enum(['mark', 'retry']), 'mark')
      .check(
        z.describe('`mark` it in the log and in `show`, or also cancel and `retry` it, once for each item.'),
      ),
  })
  .check(z.describe('Jobs that run far longer than others. Default: none are looked for.'))
