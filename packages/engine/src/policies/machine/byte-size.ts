const FACTORS: Readonly<Record<string, number>> = {
  '': 1,
  K: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
}

/**
 * Reads a size such as `2Gi`, `512Mi` or `1.5G`, as in Kubernetes, or a number of bytes.
 *
 * @throws TypeError for anything else
 */
export function parseBytes(size: string | number, what: string): number {
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)([KMGT]i?)?$/u.exec(String(size)) ?? []
  const bytes = digits === '' ? Number.NaN : Number(digits) * (FACTORS[unit] ?? Number.NaN)
  if (Number.isFinite(bytes)) return Math.ceil(bytes)
  throw new TypeError(
    `${what} must be a size such as 2Gi, 512Mi or a number of bytes; got ${JSON.stringify(size)}`,
  )
}

/** Such as `1.5 GiB`: one decimal place. */
export function bytesText(bytes: number): string {
  const [size, unit] = bytes >= 2 ** 30 ? [2 ** 30, 'GiB'] : [2 ** 20, 'MiB']
  return `${Math.round((bytes / size) * 10) / 10} ${unit}`
}
