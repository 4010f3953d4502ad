import type { Runtime } from '@sluice/core'

export interface PagesOptions {
  readonly pageItems: number
  readonly runtime: Pick<Runtime, 'yield'>
  /** Ends it between two pages, with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** Groups items into pages, for calls that take many. */
export async function* inPages<T>(
  items: AsyncIterable<T>,
  { pageItems, runtime, signal }: PagesOptions,
): AsyncGenerator<readonly T[]> {
  let page: T[] = []
  for await (const item of items) {
    page.push(item)
    if (page.length < pageItems) continue
    yield page
    page = []
    // In-process storage answers without a turn of the event loop, which Ctrl-C needs.
    await runtime.yield()
    signal?.throwIfAborted()
  }
  if (page.length > 0) yield page
}
