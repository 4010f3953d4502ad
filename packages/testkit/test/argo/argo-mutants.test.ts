import { afterEach, describe, expect, test } from 'vitest'
import {
  argoServerFacts,
  runArgoFact,
  startArgoServer,
  type ArgoFact,
  type ArgoServer,
  type ArgoTarget,
} from '../../src/argo/index.ts'
import { ManualClock } from '../../src/manual-clock.ts'
import { argoMutants } from './argo-mutants.ts'
import { factTarget } from './bench.ts'
import type { ArgoMutant } from './mutants/argo-mutant.ts'

let server: ArgoServer
afterEach(() => server.close())

async function started({ options = {}, start }: Pick<ArgoMutant, 'options' | 'start'>): Promise<ArgoTarget> {
  const clock = new ManualClock()
  server = await startArgoServer({ clock, ...options })
  server.main.onRequest = start?.()
  return factTarget(server, clock)
}

function factOf(id: string): ArgoFact {
  const fact = argoServerFacts.find((one) => one.id === id)
  if (fact === undefined) throw new Error(`There is no fact ${id}`)
  return fact
}

describe('servers that are broken on purpose', () => {
  test('a request and an answer that are rewritten into themselves break no fact', async () => {
    const target = await started({
      start: () => () => ({ do: 'rewrite', request: (same) => same, answer: (same) => same }),
    })
    for (const fact of argoServerFacts)
      await expect(runArgoFact(fact, target)).resolves.toMatch(/holds|skipped/)
  })

  describe.each(argoMutants)('$title', (mutant) => {
    test.each(Object.entries(mutant.breaks))('%s catches it', async (id, words) => {
      const end = runArgoFact(factOf(id), await started(mutant))
      await expect(end).rejects.toThrow(`\n  what:     ${words}`)
    })
  })

  test('every fact catches one of them', async () => {
    const caught = new Set(argoMutants.flatMap(({ breaks }) => Object.keys(breaks)))
    expect(argoServerFacts.map(({ id }) => id).filter((id) => !caught.has(id))).toEqual([])
  })
})
