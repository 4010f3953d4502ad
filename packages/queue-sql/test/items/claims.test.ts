import { describe, expect, test } from 'vitest'
import { claimInOrder } from '../../src/items/claims.js'
import type { ClaimedRow, ClaimScope } from '../../src/items/moves.js'

function row(number: number): ClaimedRow {
  const id = String(number)
  const head = { id, uid: `u${id}`, attempt: 1, refunds: null, priority: null, retry_state: null }
  return { ...head, put_at: 1, claimed_at: 2, body: '1', available_at: null, seq: number }
}

function idsOf(rows: readonly ClaimedRow[] = []): string[] {
  return rows.map(({ id }) => id)
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
  test('a full first rank needs no second look', async () => {
    const { steps, asked } = scripted([[row(1), row(2), row(3)]], new Error('not asked for'))
    expect(idsOf((await claimInOrder(steps, 3))?.rows)).toEqual(['1', '2', '3'])
    expect(asked).toEqual([[{ kind: 'top' }, 3]])
  })

  test('then the ranks that have something due, from the highest priority down, until it is enough', async () => {
    const ranks = [-9, -5, 0, 3].map((rank) => ({ rank, due: rank !== -9 }))
    const { steps, asked } = scripted([[], [row(1)], [row(2), row(3)]], ranks)
    expect(idsOf((await claimInOrder(steps, 3))?.rows)).toEqual(['1', '2', '3'])
    expect(asked.slice(1)).toEqual([
      [{ kind: 'at', rank: -5 }, 3],
      [{ kind: 'at', rank: 0 }, 2],
    ])
  })

  test('of very many ranks the last are taken together', async () => {
    const ranks = Array.from({ length: 64 }, (_, index) => ({ rank: index, due: index === 2 }))
    const { steps, asked } = scripted([[], [row(1)], [row(2)]], ranks)
    expect((await claimInOrder(steps, 3))?.rows).toHaveLength(2)
    expect(asked.slice(1)).toEqual([
      [{ kind: 'at', rank: 2 }, 3],
      [{ kind: 'after', rank: 63 }, 2],
    ])
  })

  test('what is claimed is given out although a later step fails; with nothing claimed the error is told', async () => {
    const down = new Error('down')
    const some = scripted([[row(1)], down], [{ rank: 0, due: true }])
    expect(idsOf((await claimInOrder(some.steps, 3))?.rows)).toEqual(['1'])
    await expect(claimInOrder(scripted([[]], down).steps, 3)).rejects.toBe(down)
    await expect(claimInOrder(scripted([down], []).steps, 3)).rejects.toBe(down)
  })

  test('a step that was cut for the size of its items is the last', async () => {
    const { steps, asked } = scripted([[row(1)]], [{ rank: 0, due: true }], true)
    expect(await claimInOrder(steps, 3)).toMatchObject({ rows: [{ id: '1' }], isCut: true })
    expect(asked).toHaveLength(1)
  })
})
