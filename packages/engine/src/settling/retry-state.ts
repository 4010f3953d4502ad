import type { ItemSummary, JobOverrides, JsonValue } from '@sluice/core'

/**
 * What the engine passes on from one claim of an item to the next, in the item's `retryState`. Each release
 * writes it; an operator's `release` and `requeue` remove it, and then nothing is known.
 */
export interface EngineRetryState {
  /** Failed tries to send it that counted: they lead to `unsendable`. */
  readonly tries?: number
  /** No job of any attempt so far runs: the next one may start without a look-up. */
  readonly ended?: true
  /** What the next attempt is sent with. */
  readonly overrides?: JobOverrides
  /** When the first claim since the item was put or requeued was seen, by the storage's clock. */
  readonly since?: number
  /** An attempt of it was cancelled as a straggler: that happens once. */
  readonly straggled?: true
}

/**
 * Reads it from an item. A value of another shape counts as absent: another version or program may have
 * written it.
 */
export function retryStateOf({ retryState }: Pick<ItemSummary, 'retryState'>): EngineRetryState {
  if (typeof retryState !== 'object' || retryState === null) return {}
  return {
    ...('tries' in retryState && isCount(retryState.tries) ? { tries: retryState.tries } : {}),
    ...('ended' in retryState && retryState.ended === true ? { ended: true } : {}),
    ...('overrides' in retryState && isTexts(retryState.overrides)
      ? { overrides: retryState.overrides }
      : {}),
    ...('since' in retryState && isCount(retryState.since) ? { since: retryState.since } : {}),
    ...('straggled' in retryState && retryState.straggled === true ? { straggled: true } : {}),
  }
}

/** The field for a release; empty where there is nothing to pass on. */
export function withRetryState(state: EngineRetryState): { readonly retryState?: JsonValue } {
  const { tries = 0, ended, overrides = {}, since, straggled } = state
  const value = {
    ...(tries > 0 ? { tries } : {}),
    ...(ended === true ? { ended } : {}),
    ...(Object.keys(overrides).length > 0 ? { overrides } : {}),
    ...(since === undefined ? {} : { since }),
    ...(straggled === true ? { straggled } : {}),
  }
  return Object.keys(value).length === 0 ? {} : { retryState: value }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0
}

function isTexts(value: unknown): value is JobOverrides {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.values(value).every((text) => typeof text === 'string')
}
