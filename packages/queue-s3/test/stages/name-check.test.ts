import type { Queue } from '@sluice/core'
import { startS3Server, type S3Server } from '@sluice/fake-s3'
import { afterEach, describe, expect, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { optionsOn, sweep } from '../s3-harness.js'

const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

async function serverOf(): Promise<S3Server> {
  const server = await startS3Server()
  opened.push(server)
  return server
}

async function queueOn(server: S3Server, options: object = {}): Promise<Queue> {
  const queue = await openQueue({ ...optionsOn(server), ...options })
  opened.push(queue)
  return queue
}

describe('names', () => {
  const lone = ['a\ud800', 'a\udfff', 'a\ud801']

  test.each(lone)('%j is refused, and so no two are taken for one', async (name) => {
    const server = await serverOf()
    const queue = await queueOn(server)
    const refused = expect.objectContaining({ name: 'TypeError' })
    await expect(queue.put(name, 1)).rejects.toEqual(refused)
    await expect(queue.lookup(name)).rejects.toEqual(refused)
    await expect(queue.remove([name])).rejects.toEqual(refused)
    await expect(queue.lease(name, 'me', 1_000)).rejects.toEqual(refused)
    await expect(queue.lease('l', name, 1_000)).rejects.toEqual(refused)
    expect(() => queue.document(name)).toThrow(TypeError)
    await expect(queue.documents(name)).rejects.toEqual(refused)
    for (const options of [{ name }, { prefix: name }])
      await expect(queueOn(server, options)).rejects.toMatchObject({ code: 'SLUICE_CONFIG_INVALID' })
  })

  test('no queue lies in the folders of another, whatever prefix and name', async () => {
    const folders = [
      'QUEUE',
      'ITEMS',
      'WAITING',
      'PROCESSING',
      'SUCCESS',
      'FAIL',
      'LEFT',
      'CONTROL',
      'LEASES',
      'DOCUMENTS',
      'ATTEMPTS',
      'PROBE',
    ]
    const server = await serverOf()
    const outer = await queueOn(server, { prefix: 'p', name: 'a' })
    await outer.put('outer', 1)
    for (const name of folders) {
      const inner = await queueOn(server, { prefix: 'p/a', name })
      await inner.put(`inner-${name}`, 1)
      await inner.lease('l', 'me', 15_000)
      await inner.document('d').write(1, { ifVersion: undefined })
      await inner.control.pause('why')
      expect((await inner.peek(5)).map(({ id }) => id)).toEqual([`inner-${name}`])
      for (const prefix of [`p/a/${name}`, `p/a/${name}/x`])
        await expect(queueOn(server, { prefix })).rejects.toMatchObject({ code: 'SLUICE_CONFIG_INVALID' })
    }
    await sweep(outer)
    expect(await outer.sizes()).toEqual({ WAITING: 1, PROCESSING: 0, SUCCESS: 0, FAIL: 0 })
    expect(await outer.control.read()).toMatchObject({ paused: false })
    expect(await outer.documents()).toEqual([])
    expect(await outer.lease('l', 'me', 15_000)).toMatchObject({ fencingToken: 1 })
    const inside = folders.map((name) => `p/a/${name}/`)
    const foreign = server
      .keys()
      .filter((key) => inside.some((folder) => key.startsWith(folder)) && key.includes('inner'))
    expect(foreign).toEqual([])
  })
})
