/** The versions of Argo Workflows that the fake server behaves as: the newest release of each minor. */
export const argoVersions = ['3.5.15', '3.6.19', '3.7.18', '4.0.10', '4.1.2'] as const

/** One of them. */
export type ArgoVersion = (typeof argoVersions)[number]

/**
 * Whether a version is at least another one, each with or without a leading `v`. Any other text, such as
 * `latest+abc`, counts as the newest.
 */
export function isAtLeast(version: string, least: string): boolean {
  const [own, other] = [numbersOf(version), numbersOf(least)]
  for (const [index, number] of other.entries()) {
    const mine = own[index] ?? (own.length === 0 ? Number.POSITIVE_INFINITY : 0)
    if (mine !== number) return mine > number
  }
  return true
}

function numbersOf(version: string): number[] {
  return (/^v?(\d+)\.(\d+)(?:\.(\d+))?/.exec(version)?.slice(1) ?? []).map((one) => Number(one ?? 0))
}
