/**
 * Whether a number that is written in JSON's syntax has the same decimal value as what JavaScript writes for
 * it: only such a number comes back as it was. `0.1`, `1.0` and `1e3` do; more digits than a double has, what
 * is beyond its range, and `-0` don't.
 */
export function isExactNumber(text: string): boolean {
  const number = Number(text)
  const back = String(number)
  if (back === text) return Number.isFinite(number)
  if (!Number.isFinite(number) || Object.is(number, -0)) return false
  return decimalOf(text) === decimalOf(back)
}

/**
 * The value as its digits, without zeros in front and behind, and an exponent: the same for all ways to write
 * it.
 */
function decimalOf(text: string): string | undefined {
  const [, sign, whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? []
  if (sign === undefined) return undefined
  const digits = `${whole}${fraction}`.replace(/^0+/, '')
  const significant = digits.replace(/0+$/, '')
  if (significant === '') return '0'
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`
}
