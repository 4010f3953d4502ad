import { expect, test } from 'vitest'
import { OverloadState, startArgoServer } from '../src/index.js'

test('each workflow above the number makes requests slower, and from another number on new ones are refused', () => {
  const state = new OverloadState({ above: 100 })
  expect(state.effectOn(true, 100)).toEqual({ latencyMs: 0 })
  expect(state.effectOn(true, 110)).toEqual({ latencyMs: 100 })
  expect(state.effectOn(false, 500)).toEqual({ latencyMs: 4_000 })
  const troubles = Array.from({ length: 100 }, () => state.effectOn(true, 150).trouble)
  expect(troubles.filter((trouble) => trouble !== undefined)).toHaveLength(50)
  expect(new Set(troubles)).toEqual(new Set([undefined, 'rate-limited', 'unavailable']))
  for (let request = 0; request < 10; request++) expect(state.effectOn(true, 175).trouble).toBeDefined()
  state.overload = undefined
  expect(state.effectOn(true, 10_000)).toEqual({ latencyMs: 0 })
})

test('a server refuses new workflows with 429 and 503, and answers all else', async () => {
  const server = await startArgoServer({ overload: { above: 0, latencyMs: 0, refusesAbove: -50 } })
  const headers = { authorization: `Bearer ${server.token}` }
  const url = `${server.url}/api/v1/workflows/argo`
  const body = JSON.stringify({
    resourceKind: 'WorkflowTemplate',
    resourceName: 'test-workflow-template',
    submitOptions: { name: 'one', parameters: ['item=1'] },
  })
  const submit = async () => (await fetch(`${url}/submit`, { method: 'POST', headers, body })).status
  // One is there: from now on there are more than none.
  expect(await submit()).toBe(200)
  expect([await submit(), await submit()]).toEqual([429, 503])
  expect((await fetch(url, { headers })).status).toBe(200)
  server.overload = undefined
  expect(await submit()).toBe(409)
  await server.close()
})
