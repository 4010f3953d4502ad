import prettyMilliseconds from 'pretty-ms'

/** A span for people, in whole seconds: `2d 3h`, `4m 5s`. */
export function spanText(ms: number): string {
  return prettyMilliseconds(Math.max(0, Math.round(ms / 1000) * 1000), { unitCount: 2 })
}
