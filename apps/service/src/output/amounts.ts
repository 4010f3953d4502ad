import prettyMs from 'pretty-ms'

/** `1,234,567`, `1,234.5`. Not by `Intl`: its data would take 14 MB of the memory of each command. */
export function countText(count: number): string {
  return String(count).replace(/\B(?<!\.\d*)(?=(?:\d{3})+(?!\d))/gu, ',')
}

/** `1 item`, `1,200 items`. */
export function itemsText(count: number): string {
  return plural(count, 'item')
}

/** `1 line`, `1,200 lines`. */
export function plural(count: number, one: string): string {
  return `${countText(count)} ${one}${count === 1 ? '' : 's'}`
}

/** `31.2/s`, `51,234/s`. */
export function rateText(perMinute: number | undefined): string {
  if (perMinute === undefined) return '-/s'
  const perSecond = perMinute / 60
  return `${perSecond < 100 ? perSecond.toFixed(1) : countText(Math.round(perSecond))}/s`
}

/** `ETA 1m 20s`. */
export function etaText(etaMs: number | undefined): string {
  return etaMs === undefined ? 'ETA -' : `ETA ${prettyMs(Math.ceil(etaMs / 1_000) * 1_000, { unitCount: 2 })}`
}

/** An elapsed time: `1m 20s`, `12.3s`, `45ms`. */
export function elapsedText(ms: number): string {
  return prettyMs(ms, { secondsDecimalDigits: ms < 60_000 ? 1 : 0, unitCount: 2 })
}

/** A span in whole seconds: `2d 3h`, `4m 5s`. */
export function spanText(ms: number): string {
  return prettyMs(Math.max(0, Math.round(ms / 1000) * 1000), { unitCount: 2 })
}

/** `████████░░░░`. */
export function barText(fraction: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, fraction)) * width)
  return '█'.repeat(full) + '░'.repeat(width - full)
}

/** `41%`; 100 only for the whole. */
export function percentText(done: number, total: number): string {
  return total === 0 ? '100%' : `${Math.floor((Math.min(done, total) * 100) / total)}%`
}
