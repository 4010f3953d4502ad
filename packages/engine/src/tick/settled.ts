/** How work ended: for what goes on beside other work, and whose failure is looked at when that has ended too. */
export async function settled<T>(work: Promise<T>): Promise<PromiseSettledResult<T>> {
  // The caller gets the failure as a value.
  const [result] = await Promise.allSettled([work])
  return result
}
