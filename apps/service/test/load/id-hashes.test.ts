import { describe, expect, test } from 'vitest'
import { IdHashes, MAX_HASHED_IDS, openIdHash } from '../../src/load/id-hashes.js'

describe('IdHashes', () => {
  test('knows each id that was added, and none that was not, while it grows', async () => {
    const ids = new IdHashes(await openIdHash())
    const names = Array.from({ length: 210_000 }, (_, n) => `s3://tiles/${n}.tif`)
    const [added, others] = [names.slice(0, 200_000), names.slice(200_000)]
    expect(added.filter((id) => ids.add(id))).toEqual([])
    expect(added.filter((id) => !ids.has(id))).toEqual([])
    expect(others.filter((id) => ids.has(id))).toEqual([])
    expect(ids.add('s3://tiles/0.tif')).toBe(true)
    expect(ids.isFull).toBe(false)
  })

  test('two ids with the same hash count as one', () => {
    const ids = new IdHashes(() => 0n)
    expect([ids.has('a'), ids.add('a'), ids.add('b')]).toEqual([false, false, true])
  })

  test('reports when it is full, and keeps what it has', () => {
    // All in the first of the tables, and far apart.
    const ids = new IdHashes((id) => BigInt.asUintN(32, BigInt(id) * 2_654_435_761n))
    for (let n = 0; n < 62_000; n++) ids.add(String(n))
    expect(ids.isFull).toBe(true)
    expect([ids.has('0'), ids.has('50000'), ids.has('61999')]).toEqual([true, true, false])
    expect(MAX_HASHED_IDS).toBeGreaterThan(15_000_000)
  })
})
