import { describe, expect, test } from 'vitest'
import { claimInOrder } from '../../src/items/claims.js'
import type { ClaimedRow, ClaimScope } from '../../src/items/moves.js'

function row(number: number): ClaimedRow {
  const id = String(number)
  const summary = {
    id,
    uid: `u${id}`,
    attempt: 1,
    refunds: null,
    priority: null,
    retry_state: null,
    resources: null,
    limit_key: null,
  }
  return { ...summary, put_at: 1, claimed_at: 2, body: '1', available_at: null, seq: number }
}

function idsOf(rows: readonly ClaimedRow[] = []): string[] {
  return rows.map(({ id }) => id)
}

async function oneRank(): Promise<{ rank: number; due: boolean }[]> {
  return [{ rank: 0, due: true }]
}

/** Steps that answer from a script, and what they were asked. */
function scripted(
  answers: (ClaimedRow[] | Error)[],
  ranks: { rank: number; due: boolean }[] | Error,
  isCut = false,
) {
  const asked: [ClaimScope, number][] = []
  return {
    asked,
    steps: {
      claim: async (scope: ClaimScope, max: number) => {
        asked.push([scope, max])
        const answer = answers.shift() ?? []
        if (answer instanceof Error) throw answer
        return { rows: answer, isCut: isCut && answers.length === 0 }
      },
      ranks: async () => {
        if (ranks instanceof Error) throw ranks
        return ranks
      },
    },
  }
}

describe('claimInOrder', () => {
  test('a full first rank needs no scan of the ranks', async () => {
    const { steps, asked } = scripted([[row(1), row(2), row(3)]], new Error('not asked for'))
    expect(idsOf((await claimInOrder(steps, 3))?.rows)).toEqual(['1', '2', '3'])
    expect(asked).toEqual([[{ kind: 'top' }, 3]])
  })

  test('then the ranks with due items, from the highest priority down, until there are enough', async () => {
    const ranks = [-9, -5, 0, 3].map((rank) => ({ rank, due: rank !== -9 }))
    const { steps, asked } = scripted([[], [row(1)], [row(2), row(3)]], ranks)
    expect(idsOf((await claimInOrder(steps, 3))?.rows)).toEqual(['1', '2', '3'])
    expect(asked.slice(1)).toEqual([
      [{ kind: 'at', rank: -5 }, 3],
      [{ kind: 'at', rank: 0 }, 2],
    ])
  })

  test('beyond the limit of ranks the last are claimed together', async () => {
    const ranks = Array.from({ length: 64 }, (_, index) => ({ rank: index, due: index === 2 }))
    const { steps, asked } = scripted([[], [row(1)], [row(2)]], ranks)
    expect((await claimInOrder(steps, 3))?.rows).toHaveLength(2)
    expect(asked.slice(1)).toEqual([
      [{ kind: 'at', rank: 2 }, 3],
      [{ kind: 'after', rank: 63 }, 2],
    ])
  })

  test('claimed items are returned although a later step fails or the lease is lost; with nothing claimed the call fails', async () => {
    const down = new Error('down')
    const some = scripted([[row(1)], down], [{ rank: 0, due: true }])
    expect(idsOf((await claimInOrder(some.steps, 3))?.rows)).toEqual(['1'])
    await expect(claimInOrder(scripted([[]], down).steps, 3)).rejects.toBe(down)
    await expect(claimInOrder(scripted([down], []).steps, 3)).rejects.toBe(down)
  })

  test('a lost lease ends it: with what is claimed, or with nothing', async () => {
    const lost = { claim: async () => undefined, ranks: async () => [] }
    expect(await claimInOrder(lost, 3)).toBeUndefined()
    const answers = [{ rows: [row(1)], isCut: false }, undefined]
    const some = await claimInOrder({ claim: async () => answers.shift(), ranks: oneRank }, 3)
    expect(idsOf(some?.rows)).toEqual(['1'])
    const none = [{ rows: [], isCut: false }, undefined]
    expect(await claimInOrder({ claim: async () => none.shift(), ranks: oneRank }, 3)).toBeUndefined()
  })

  test('a step that was cut because of its size is the last', async () => {
    const { steps, asked } = scripted([[row(1)]], [{ rank: 0, due: true }], true)
    expect(await claimInOrder(steps, 3)).toMatchObject({ rows: [{ id: '1' }], isCut: true })
    expect(asked).toHaveLength(1)
  })
})
