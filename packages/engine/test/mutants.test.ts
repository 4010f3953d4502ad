import { engineContract, engineMutants, enginePromises, runEngineCase } from '@sluice/testkit'
import { describe, expect, test } from 'vitest'
import { enginePlace } from './engine-place.js'

const promisesOf = (ids: readonly string[]) => new Set(ids.map((id) => id.split('/')[0]))

describe('broken engines', () => {
  test.each(engineMutants)('$id is caught: $title', async (mutant) => {
    for (const id of mutant.breaks) {
      const one = engineContract.find((other) => other.id === id)
      if (one === undefined) throw new Error(`there is no case ${id}`)
      await expect(runEngineCase(one, async () => mutant.wrap(await enginePlace()))).rejects.toThrow(
        `${id} is broken`,
      )
    }
  })

  test('every promise has a case, and a broken engine that a case of it catches', () => {
    const all = enginePromises.map(({ id }) => id)
    expect(promisesOf(engineContract.map(({ id }) => id))).toEqual(new Set(all))
    expect(promisesOf(engineMutants.flatMap(({ breaks }) => breaks))).toEqual(new Set(all))
  })
})
