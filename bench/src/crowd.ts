/** How far a crowd of callers goes: to so many items, or for so long, whichever comes first. */
export interface Bound {
  readonly items: number
  readonly seconds: number
}

/**
 * Lets `clients` callers call `step` again and again, each when its last call has ended.
 *
 * @param step does something and says to how many items; 0 ends that caller
 * @returns the items of all
 */
export async function crowd(
  clients: number,
  bound: Bound,
  step: (client: number) => Promise<number>,
): Promise<number> {
  const endsAt = performance.now() + bound.seconds * 1000
  let done = 0
  const call = async (client: number): Promise<void> => {
    while (done < bound.items && performance.now() < endsAt) {
      const count = await step(client)
      if (count === 0) return
      done += count
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, client) => call(client)))
  return done
}
