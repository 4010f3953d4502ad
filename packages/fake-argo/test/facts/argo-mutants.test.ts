import { setTimeout as turn } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import {
  answerWith,
  argoServerFacts,
  runArgoFact,
  startArgoServer,
  type ArgoFact,
  type ArgoServer,
  type ArgoTarget,
} from '../../src/index.ts'
import { ManualRuntime } from '@sluice/testkit'
import { argoMutants } from './argo-mutants.ts'
import { denyLabelled, factTarget } from '../bench.ts'
import type { ArgoMutant } from './mutants/argo-mutant.ts'

let server: ArgoServer
afterEach(() => server.close())

async function started({
  options = {},
  start,
  target = {},
}: Pick<ArgoMutant, 'options' | 'start' | 'target'>): Promise<ArgoTarget> {
  const runtime = new ManualRuntime()
  server = await startArgoServer({ runtime, admission: denyLabelled, ...options })
  server.main.onRequest = start?.()
  return factTarget(server, runtime, target)
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

  test('a watch that is closed as it is opened, and opens the next time, breaks no fact', async () => {
    let refuse = false
    const target = await started({
      start:
        () =>
        ({ operation }) =>
          operation === 'WatchWorkflows' && (refuse = !refuse) ? answerWith('watch-not-opened') : undefined,
    })
    // The second opening is on its way while the clock stands still.
    const pass = async (ms: number) => {
      await turn()
      await target.pass?.(ms)
    }
    for (const fact of argoServerFacts.filter(({ id }) => id.startsWith('ARGO-WATCH')))
      await expect(runArgoFact(fact, { ...target, pass })).resolves.toBe('holds')
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
