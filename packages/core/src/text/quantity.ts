const QUANTITY = /^(\d+(?:\.\d+)?)(m|k|[MGTPE]|[KMGTPE]i)?$/u
const FACTORS: ReadonlyMap<string, number> = new Map([
  ['m', 1e-3],
  ...['k', 'M', 'G', 'T', 'P', 'E'].map((unit, index) => [unit, 1_000 ** (index + 1)] as const),
  ...['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'].map((unit, index) => [unit, 1_024 ** (index + 1)] as const),
])

/** A quantity as Kubernetes writes it, such as `4Gi`, `500m` or `2`; `undefined` for any other text. */
export function quantityOf(text: string): number | undefined {
  const [, digits, unit] = QUANTITY.exec(text) ?? []
  if (digits === undefined) return undefined
  return Number(digits) * (unit === undefined ? 1 : (FACTORS.get(unit) ?? 1))
}

/** Whether a text is a size in bytes: a quantity with a unit that sizes have. */
export function isSize(text: string): boolean {
  return quantityOf(text) !== undefined && /[KMGTPE]i?$/u.test(text)
}
