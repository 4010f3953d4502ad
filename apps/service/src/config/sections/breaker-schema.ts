import * as z from 'zod/mini'
import { isThreshold } from '@sluice/engine'

const THRESHOLD = 'must be a whole number of 1 or more, or a share such as "20%" of at most 100%'

const wholeMs = z.int().check(z.gte(1000), z.lte(2_147_483_647))
const count = z.int().check(z.gte(1), z.lte(1_000_000))

const settings = z
  .strictObject({
    failures: z
      .optional(
        z.union([z.int().check(z.gte(1)), z.string().check(z.refine(isThreshold, { error: THRESHOLD }))], {
          error: THRESHOLD,
        }),
      )
      .check(
        z.describe(
          'How many failures in the window pause the queue, or which share of it, such as `"20%"`. Default: the first 20 failures of one group, with no success among them.',
        ),
      ),
    window: z
      .optional(z.int().check(z.gte(1), z.lte(10_000)))
      .check(z.describe('The window: the last so many ends of attempts. Default 100, none with `windowMs`.')),
    windowMs: z
      .optional(wholeMs)
      .check(z.describe('The window: the ends of this last span, in ms. Default: no limit of time.')),
    minItems: z
      .optional(count)
      .check(z.describe('With `windowMs`: the fewest ends that a share is taken of. Default 20.')),
    groupFailures: z
      .optional(count)
      .check(
        z.describe(
          'So many failures of a new failure group within `groupWindowMs` pause the queue. Default: no limit.',
        ),
      ),
    groupWindowMs: z
      .optional(wholeMs)
      .check(z.describe('How long a failure group is new from its first failure, in ms. Default 60000.')),
    halfOpenMs: z
      .optional(wholeMs)
      .check(
        z.describe(
          'After this time an open breaker is half open, in ms: a few items are tried, the first failure opens it again, and if all succeed it closes. Default: only `sluice resume` closes it.',
        ),
      ),
    halfOpenItems: z.optional(count).check(z.describe('How many items are tried. Default 3.')),
  })
  .check(
    z.superRefine(({ failures, window, windowMs, minItems }, context) => {
      for (const [name, value] of Object.entries({ window, windowMs, minItems }))
        if (failures === undefined && value !== undefined)
          context.addIssue({ code: 'custom', path: [name], message: 'needs breaker.failures' })
    }),
  )

/** The section `breaker`, and `canary`. */
export const breaker = z
  .optional(
    z.union([z.enum(['off']), z.literal(false), settings], {
      error: 'must be off, or settings such as failures',
    }),
  )
  .check(
    z.describe(
      'When too many failures pause the queue; `off` for never. See [Canary and circuit breaker](../../docs/flow-control.md#canary-and-circuit-breaker).',
    ),
  )

export const canary = z
  .optional(z.int().check(z.gte(0), z.lte(1_000_000)))
  .check(
    z.describe(
      'The first so many items after a put into an empty queue, or a resume, run alone; 0 for none. Default: 20 in flight until the first success, or for a minute.',
    ),
  )
