import type { Queue } from '@sluice/core'
import { ManualClock, type QueueHarness } from '@sluice/testkit'
import { startS3Server, type S3Endpoint, type S3Server } from '@sluice/testkit/s3'
import { openQueue, type S3Queue } from '../src/index.js'

/** What opens a queue on one address of a server, which is probed first. */
export function probedOn(server: S3Server, endpoint: S3Endpoint = server.main, name = 'contract') {
  const { endpoint: url, region, credentials } = server.clientOptions(endpoint)
  return { name, bucket: server.bucket, prefix: 'queues', endpoint: url, region, credentials }
}

/** The same without the probe, for tests of other things. */
export function optionsOn(...place: Parameters<typeof probedOn>) {
  return { ...probedOn(...place), probe: 'off' as const }
}

/** A fresh server with a clock that is set on by hand. */
export async function s3Harness(): Promise<QueueHarness> {
  const clock = new ManualClock()
  const server = await startS3Server({ clock })
  const opened: Queue[] = []
  const open = async (name?: string, endpoint = server.main): Promise<S3Queue> => {
    const queue = await openQueue({ ...optionsOn(server, endpoint, name), clock })
    opened.push(queue)
    return queue
  }
  return {
    open,
    passTime: (ms) => clock.advance(ms),
    openCrashing: async (point) => {
      const endpoint = await server.addEndpoint()
      const queue = await openQueue({ ...optionsOn(server, endpoint), clock })
      opened.push(queue)
      const last = endpoint.requests.length + point
      endpoint.onRequest = ({ index }) => {
        if (index < last) return undefined
        // A dead process tries nothing again.
        void queue.close()
        return { do: 'crash' }
      }
      return { queue, crashed: () => endpoint.crashed() }
    },
    openUnreachable: async () => {
      const endpoint = await server.addEndpoint()
      const queue = await openQueue({ ...optionsOn(server, endpoint), clock, timeoutMs: 300 })
      opened.push(queue)
      endpoint.crash()
      return queue
    },
    close: async () => {
      await Promise.all(opened.map((queue) => queue.close()))
      await server.close()
    },
  }
}
