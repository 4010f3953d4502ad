import { isThreshold, type BreakerOptions, type GuardOptions } from '@sluice/engine'
import type { Config } from '../config/config.js'

/** Settings that are absent stay absent: the engine has the defaults. */
export function breakerOptions({ canary, breaker }: Pick<Config, 'canary' | 'breaker'>): GuardOptions {
  return {
    ...(canary === undefined ? {} : { canary }),
    ...(breaker === undefined
      ? {}
      : { breaker: breaker === 'off' || breaker === false ? 'off' : given(breaker) }),
  }
}

type Given = Exclude<Config['breaker'], 'off' | false | undefined>

function given({ failures, ...limits }: Given): BreakerOptions {
  const set = Object.entries(limits).filter(([, value]) => value !== undefined)
  return { ...Object.fromEntries(set), ...(isThreshold(failures) ? { failures } : {}) }
}
