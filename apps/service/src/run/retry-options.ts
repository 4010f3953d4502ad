import type { Worker } from '@sluice/core'
import { retryFindings, type RetryOptions, type RetryRule } from '@sluice/engine'
import type { Config } from '../config/config.js'
import type { LoadedConfig } from '../config/load-config.js'

/** Settings that are absent stay absent: the engine has the defaults. */
export function retryOptions({ maxAttempts, backoff, on, rules }: Config['retry']): RetryOptions {
  return {
    backoff,
    ...(maxAttempts === undefined ? {} : { maxAttempts }),
    ...(on === undefined ? {} : { on }),
    ...(rules === undefined ? {} : { rules: rules.map(retryRule) }),
  }
}

type ConfiguredRule = NonNullable<Config['retry']['rules']>[number]

function retryRule({ classes, exitCodes, maxAttempts, backoff = {}, escalate }: ConfiguredRule): RetryRule {
  const { baseMs, maxMs } = backoff
  return {
    maxAttempts,
    ...(classes === undefined ? {} : { classes }),
    ...(exitCodes === undefined ? {} : { exitCodes }),
    backoff: { ...(baseMs === undefined ? {} : { baseMs }), ...(maxMs === undefined ? {} : { maxMs }) },
    ...(escalate === undefined ? {} : { escalate }),
  }
}

/** The overrides that every send will have, for the worker to check. */
export function escalated({ retry: { rules = [] } }: Pick<Config, 'retry'>): readonly string[] {
  return [...new Set(rules.flatMap(({ escalate }) => (escalate === undefined ? [] : [escalate.parameter])))]
}

/** The input for checking retry rules. */
export interface RetryFacts extends Pick<LoadedConfig, 'placeOf'> {
  readonly config: Pick<Config, 'retry' | 'jobs' | 'deadlines'>
  /** Absent: the worker is unknown. */
  readonly supports?: Worker['supports']
}

/** The retry rules that can never match with this worker, a line each, with the source of the rule. */
export function retryWarnings({ config, supports, placeOf }: RetryFacts): readonly string[] {
  const { retry } = config
  const found = retryFindings(retryOptions(retry), failuresOf(supports, config)).map(({ rule, message }) => {
    const path = retry.rules === undefined ? ['retry', 'on'] : ['retry', 'rules', String(rule)]
    const place = placeOf(path)
    return `${path.join('.')}: ${message}${place === undefined ? '' : ` (${place})`}`
  })
  const isIdle = retry.on !== undefined && (retry.maxAttempts ?? 1) === 1
  return [...found, ...(isIdle ? ['retry.on: has no effect because retry.maxAttempts is 1'] : [])]
}

/** The failures of the worker, and that of the service itself for jobs that do not start. */
function failuresOf(
  supports: RetryFacts['supports'],
  { jobs: { pendingTimeoutMs }, deadlines }: RetryFacts['config'],
) {
  const { failures, pending } = supports ?? {}
  if (failures === undefined) return undefined
  return [
    ...failures,
    ...(pendingTimeoutMs === undefined || pending !== true ? [] : [{ failureClass: 'unschedulable' }]),
    ...(deadlines.attemptMs === undefined ? [] : [{ failureClass: 'timeout' }]),
  ]
}
