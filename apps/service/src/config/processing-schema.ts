import * as z from 'zod/mini'

const rate = z
  .strictObject({
    count: z
      .int()
      .check(z.gte(1), z.describe('The most items that are claimed within any `processing.rate.perMs`.')),
    perMs: z
      .int()
      .check(z.gte(100), z.lte(604_800_000), z.describe('The window of the rate, in ms, up to a week.')),
  })
  .check(
    z.describe('The rate at which items are claimed. It holds across restarts and changes of the service.'),
  )

const machine = z
  .strictObject({
    load: z
      .optional(z.number().check(z.gt(0)))
      .check(
        z.describe(
          'No job starts while the load average of the last minute for each core is above this, such as 0.8; not on Windows.',
        ),
      ),
    freeMemory: z
      .optional(
        z
          .string()
          .check(z.regex(/^\d+(?:\.\d+)?(?:[KMGT]i?)?$/u, { error: 'must be a size such as 2Gi or 512Mi' })),
      )
      .check(z.describe('No job starts while less memory than this is available, such as `2Gi`.')),
  })
  .check(
    z.refine(({ load, freeMemory }) => load !== undefined || freeMemory !== undefined, {
      message: 'needs a load, a freeMemory, or both',
    }),
    z.describe('Bounds of this machine, for workers that run jobs on it.'),
  )

/** The settings of dispatch. */
export const processing = z
  .strictObject({
    limit: z
      ._default(z.int().check(z.gte(0)), 10)
      .check(
        z.describe(
          'The most unfinished jobs; 0 starts no jobs. `sluice limit` overrides it while the service runs.',
        ),
      ),
    rate: z.optional(rate),
    windows: z
      .optional(z.array(z.string()).check(z.minLength(1)))
      .check(
        z.describe(
          'Jobs start only within these times, such as `Mon-Fri 20:00-06:00 Europe/Berlin`: days, times and an IANA time zone. Default: at any time.',
        ),
      ),
    outsideLimit: z.optional(z.int().check(z.gte(0))).check(
      z.meta({
        default: 0,
        description:
          'The most unfinished jobs outside of `processing.windows`; a live limit can only lower it.',
      }),
    ),
    machine: z.optional(machine),
  })
  .check(
    z.refine(({ windows, outsideLimit }) => outsideLimit === undefined || windows !== undefined, {
      path: ['outsideLimit'],
      message: 'has no effect without processing.windows',
    }),
    z.describe('The dispatch limits. See `docs/flow-control.md`.'),
  )
