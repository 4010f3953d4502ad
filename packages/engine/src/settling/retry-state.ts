import type { ItemSummary, JsonValue } from '@sluice/core'

/**
 * What the engine passes on from one claim of an item to the next, in the item's `retryState`. Each release
 * writes it; an operator's `release` and `requeue` remove it, and then nothing is known.
 */
export interface EngineRetryState {
  /** Failed tries to send it that counted: they lead to `unsendable`. */
  readonly tries?: number
  /** No job of any attempt so far runs: the next one may start without a look-up. */
  readonly ended?: true
}

/**
 * Reads it from an item. A value of another shape counts as absent: another version or program may have
 * written it.
 */
export function retryStateOf({ retryState }: Pick<ItemSummary, 'retryState'>): EngineRetryState {
  if (typeof retryState !== 'object' || retryState === null) return {}
  return {
    ...('tries' in retryState && isTries(retryState.tries) ? { tries: retryState.tries } : {}),
    ...('ended' in retryState && retryState.ended === true ? { ended: true } : {}),
  }
}

/** The field for a release; empty where there is nothing to pass on. */
export function withRetryState(state: EngineRetryState): { readonly retryState?: JsonValue } {
  const { tries = 0, ended } = state
  const value = { ...(tries > 0 ? { tries } : {}), ...(ended === true ? { ended } : {}) }
  return Object.keys(value).length === 0 ? {} : { retryState: value }
}

function isTries(tries: unknown): tries is number {
  return typeof tries === 'number' && Number.isSafeInteger(tries) && tries > 0
}
