import { MAX_PROCESSING_LIMIT } from '@sluice/core'
import { KEY_LIMIT, RESOURCE_LIMIT_PREFIX } from '@sluice/engine'
import { plural } from '../output/amounts.js'
import { printable } from '../output/output.js'

/** One live limit, as it is stored, in words. */
export function liveLimitText(name: string, limit: number): string {
  if (name === MAX_PROCESSING_LIMIT) return `at most ${plural(limit, 'job')} at once, set by \`sluice limit\``
  if (name === KEY_LIMIT)
    return `at most ${plural(limit, 'job')} at once of each limit key, set by \`sluice limit --per-key\``
  if (!name.startsWith(RESOURCE_LIMIT_PREFIX)) return `${printable(name)}: ${limit}`
  const resource = printable(name.slice(RESOURCE_LIMIT_PREFIX.length), 64)
  return `at most ${limit} of ${resource} in use, set by \`sluice limit --resource\``
}
