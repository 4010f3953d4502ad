import { expect, test } from 'vitest'
import { caseCatalog, engineContract, queueContract, workerContract } from '../src/index.js'

test('cases.json is up to date: `npx vitest run test/case-catalog.test.ts -u` writes it', async () => {
  const text = `${JSON.stringify(await caseCatalog(), null, 2)}\n`
  await expect(text).toMatchFileSnapshot('../cases.json')
})

test('every case is there, under a promise that is there', async () => {
  const catalog = await caseCatalog()
  for (const [contract, cases] of [
    [catalog.queue, queueContract],
    [catalog.worker, workerContract],
    [catalog.engine, engineContract],
  ] as const) {
    expect(contract.cases.map(({ id }) => id)).toEqual(cases.map(({ id }) => id))
    const promises = new Set(contract.promises.map(({ id }) => id))
    expect(contract.cases.filter(({ promise }) => !promises.has(promise))).toEqual([])
  }
})

test('a case needs what it is skipped without, and nothing else', async () => {
  const { queue, worker } = await caseCatalog()
  const needsOf = (id: string) => [...queue.cases, ...worker.cases].find((one) => one.id === id)?.needs
  expect(needsOf('Q-PUT-1')).toBeUndefined()
  expect(needsOf('Q-GET-4')).toEqual(['harness.openCrashing'])
  expect(needsOf('W-CHECK-1/a')).toEqual(['harness.refusedItem', 'supports.checkItem'])
})
