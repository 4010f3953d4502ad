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

const RESOURCE_NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/u

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
    resources: z
      .optional(
        z.record(
          z.string().check(
            z.regex(RESOURCE_NAME, {
              error: 'must be the name of a resource: a letter, then letters, digits, _, . or -',
            }),
          ),
          z.number().check(z.gte(0)),
        ),
      )
      .check(
        z.describe(
          'The most of each resource that unfinished jobs use together, such as `{ gpu: 8 }`; what a job uses is given with its item. `sluice limit --resource` overrides it.',
        ),
      ),
    maxPassed: z.optional(z.int().check(z.gte(0))).check(
      z.meta({
        default: 1000,
        description:
          'The most later items that start before one that waits for `processing.resources`; then what it needs is kept free for it.',
      }),
    ),
    perKey: z
      .optional(z.int().check(z.gte(0)))
      .check(
        z.describe(
          'The most unfinished jobs of each limit key, such as a user; the key is given with the item. `sluice limit --per-key` overrides it.',
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
    z.refine(({ resources, maxPassed }) => maxPassed === undefined || resources !== undefined, {
      path: ['maxPassed'],
      message: 'has no effect without processing.resources',
    }),
    z.describe('The dispatch limits. See `docs/flow-control.md`.'),
  )
