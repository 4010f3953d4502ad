import { startS3Server } from '@sluice/fake-s3'
import { expect, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { optionsOn } from '../s3-harness.js'

test('a get that lost several rounds to another process lists again after a pause, and claims what is left', async () => {
  const server = await startS3Server()
  const endpoint = await server.addEndpoint()
  const fast = await openQueue(optionsOn(server))
  const slow = await openQueue({ ...optionsOn(server, endpoint), timeoutMs: 2_000 })
  await fast.putMany(
    Array.from({ length: 100 }, (_, at) => ({ id: `i${String(at).padStart(3, '0')}`, body: at })),
  )
  // The first page has 20 names, the second one 40: just before the first claim of each, the other process
  // takes all of it.
  const taking = new Map<number, Promise<unknown>>()
  endpoint.onRequest = ({ operation, key }) => {
    if (operation !== 'PutObject' || !key.includes('/PROCESSING/')) return undefined
    const at = Number(key.slice(-3))
    if (at >= 60) return undefined
    const count = at < 20 ? 20 : 40
    const until = taking.get(count) ?? fast.get(count)
    taking.set(count, until)
    return { do: 'hold', until: until.then(() => undefined) }
  }
  const given = await slow.get(4)
  expect(given.map(({ id }) => id)).toEqual(['i060', 'i061', 'i062', 'i063'])
  expect(endpoint.requests.length).toBeLessThanOrEqual(100)
  for (const one of [slow, fast, server]) await one.close()
})
