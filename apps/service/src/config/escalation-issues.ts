import { MAX_OVERRIDES } from '@sluice/core'
import { quantityOf } from '@sluice/core/backend'
import type { Config } from './config.js'

interface Issue {
  readonly path: readonly (string | number)[]
  readonly message: string
}

/**
 * What is wrong with the escalations of all rules together, as the engine would say, with the place of each.
 */
export function escalationIssues({ retry: { rules = [] } }: Pick<Config, 'retry'>): readonly Issue[] {
  const known = new Map<string, readonly string[]>()
  return rules.flatMap(({ escalate }, rule) => {
    if (escalate === undefined) return []
    const { parameter, values } = escalate
    const path = ['retry', 'rules', rule, 'escalate'] as const
    const others = known.get(parameter)
    known.set(parameter, others ?? values)
    if (others === undefined && known.size > MAX_OVERRIDES)
      return [
        { path: [...path, 'parameter'], message: `there are at most ${MAX_OVERRIDES} escalated parameters` },
      ]
    if (others !== undefined && others.join('\n') !== values.join('\n'))
      return [
        {
          path: [...path, 'values'],
          message: `must be those of the earlier rule that escalates ${parameter}`,
        },
      ]
    return orderIssues(values).map(({ at, message }) => ({ path: [...path, 'values', at], message }))
  })
}

/** Values that are no quantities are in the order in which they are given. */
function orderIssues(
  values: readonly string[],
): readonly { readonly at: number; readonly message: string }[] {
  return values.flatMap((value, at) => {
    if (values.indexOf(value) !== at) return [{ at, message: `repeats ${value}` }]
    const [own, before] = [quantityOf(value), quantityOf(values[at - 1] ?? '')]
    if (own === undefined || before === undefined || own > before) return []
    return [{ at, message: `must be larger than the value before it, ${values[at - 1] ?? ''}` }]
  })
}
