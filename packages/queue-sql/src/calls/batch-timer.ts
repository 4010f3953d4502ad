import { tooSlow } from '../items/item-errors.js'

/** What it gives back throws once so much time is over that no further statement of the batch may begin. */
export function batchTimer(queue: string, what: string, timeoutMs: number): () => void {
  const startedAt = performance.now()
  return () => {
    if (performance.now() - startedAt > timeoutMs) throw tooSlow(queue, what, timeoutMs)
  }
}
