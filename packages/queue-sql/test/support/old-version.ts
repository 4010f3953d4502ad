import type { Queue } from '@sluice/core'

/** What scripts/old-versions.mjs builds: the last release before each change of the tables. */
export type OldLayout = 'schema-1' | 'schema-2' | 'schema-3' | 'schema-4'

/** The `openQueue` of an older release. */
export async function oldVersion(layout: OldLayout): Promise<(options: object) => Promise<Queue>> {
  const loaded: { openQueue: (options: object) => Promise<Queue> } = await import(
    new URL(`../old-versions/${layout}.mjs`, import.meta.url).href
  )
  return loaded.openQueue
}
