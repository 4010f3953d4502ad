import * as z from 'zod/mini'

const wholeMs = z.int().check(z.gte(0), z.lte(2_147_483_647))

/** The section `backpressure`. */
export const backpressure = z
  .union(
    [
      z.literal('off'),
      z.strictObject({
        algorithm: z
          ._default(z.enum(['aimd', 'gradient']), 'aimd')
          .check(
            z.describe(
              'How far slow sends lower the limit: by a fixed share, or as far as they are slower than usual.',
            ),
          ),
        minLimit: z
          ._default(z.int().check(z.gte(1)), 10)
          .check(z.describe('The limit is never lowered below this.')),
        slowSendMs: z
          ._default(wholeMs, 150)
          .check(
            z.describe(
              'Sends that take less never count as slow, in ms; others do when they take three times as long as usual. 0: the duration of sends is left aside.',
            ),
          ),
        pendingMs: z
          ._default(wholeMs, 30_000)
          .check(
            z.describe(
              'Jobs that are pending for longer count as lack of room, in ms. 0: pending jobs are left aside.',
            ),
          ),
      }),
    ],
    { error: 'must be off, or settings by name' },
  )
  .check(
    z.describe(
      'How the limit follows what the worker can take: refused and slow sends, and jobs that stay pending, lower it for a while. `off`: it does not.',
    ),
  )
