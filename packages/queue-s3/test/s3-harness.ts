import type { Queue, SweepOptions, SweepReport } from '@sluice/core'
import { type CallSize, type QueueHarness, type StorageTrouble } from '@sluice/testkit'
import { SlowLink, type LinkSpeed } from '@sluice/testkit/link'
import { answerWith, startS3Server, type S3Endpoint, type S3Fault, type S3Server } from '@sluice/fake-s3'
import { beforeEach } from 'vitest'
import { openQueue } from '../src/index.js'
import { dropProbes } from '../src/probe/probe-memory.js'
import { LeapingRuntime } from './leaping-runtime.js'

// Ports are given again: a server may have the address of one that was probed before.
beforeEach(() => dropProbes())

/** What opens a queue on one address of a server, which is probed first. */
export function probedOn(server: S3Server, endpoint: S3Endpoint = server.main, name = 'contract') {
  const { endpoint: url, region, credentials } = server.clientOptions(endpoint)
  return { name, bucket: server.bucket, prefix: 'queues', endpoint: url, region, credentials }
}

/** The same without the probe, for tests of other things. */
export function optionsOn(...place: Parameters<typeof probedOn>) {
  return { ...probedOn(...place), probe: 'off' as const }
}

/** The same server, and what opens a queue on it over a link. */
export async function linkedOn(server: S3Server, speed: LinkSpeed) {
  const options = optionsOn(server)
  const { hostname, port } = new URL(options.endpoint)
  const link = await SlowLink.open({ host: hostname, port: Number(port) }, speed)
  return { link, options: { ...options, endpoint: `http://${link.address.host}:${link.address.port}` } }
}

/** Every queue here can be swept. */
export async function sweep(queue: Queue, options: SweepOptions = {}): Promise<SweepReport> {
  if (queue.sweep === undefined) throw new Error('the queue has no sweep')
  return queue.sweep(options)
}

/** The README's, for the default `timeoutMs` and `concurrency`. */
function callTimeMs({ items, bytes }: CallSize): number {
  const timeoutMs = 10_000
  const rounds = Math.ceil(items / 32) - 1 + Math.floor(items / 1_000)
  return (25 + 8 * rounds) * timeoutMs + (2 * bytes * 1_000) / 65_536
}

/**
 * Long enough for an answer of the server in this process on a busy machine, and short enough to wait for
 * many of them.
 */
const TROUBLED_TIMEOUT_MS = 1_000

/** What each kind of trouble is here. */
function faultOf(trouble: StorageTrouble): S3Fault {
  if (trouble === 'fails') return answerWith('InternalError')
  if (trouble === 'answer-lost') return { do: 'drop-reply' }
  // It never lands either.
  return { do: 'hold', until: new Promise(() => {}) }
}

/** A fresh server whose clock leaps. */
export async function s3Harness(): Promise<QueueHarness> {
  const runtime = new LeapingRuntime()
  const server = await startS3Server({ runtime })
  const opened: Queue[] = []
  const links: SlowLink[] = []
  const open = async (name?: string, endpoint = server.main): Promise<Queue> => {
    const queue = await openQueue({ ...optionsOn(server, endpoint, name), runtime })
    opened.push(queue)
    return queue
  }
  return {
    open,
    passTime: (ms) => runtime.advance(ms),
    setClockBack: async (ms) => runtime.setBack(ms),
    openCrashing: async (point) => {
      const endpoint = await server.addEndpoint()
      const queue = await openQueue({ ...optionsOn(server, endpoint), runtime })
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
      const queue = await openQueue({ ...optionsOn(server, endpoint), runtime, timeoutMs: 300 })
      opened.push(queue)
      endpoint.crash()
      return queue
    },
    troublesAtOnce: 6,
    openTroubled: async ({ trouble, point, lasting }) => {
      const endpoint = await server.addEndpoint()
      const queue = await openQueue({
        ...optionsOn(server, endpoint),
        runtime,
        timeoutMs: TROUBLED_TIMEOUT_MS,
      })
      opened.push(queue)
      const first = endpoint.requests.length + point
      let reached = false
      endpoint.onRequest = ({ index }) => {
        if (index < first || (index > first && !lasting)) return undefined
        reached = true
        return faultOf(trouble)
      }
      return { queue, reached: () => reached, callMs: queue.supports.longestCallMs ?? 0 }
    },
    upgrade: async () => {
      const key = 'queues/contract/QUEUE'
      const before = server.textOf(key) ?? ''
      const settings: { needs: string[] } = JSON.parse(before)
      server.seed([[key, JSON.stringify({ ...settings, needs: [...settings.needs, 'later'] })]])
      return async () => server.seed([[key, before]])
    },
    openSlow: async (speed) => {
      const { link, options } = await linkedOn(server, speed)
      links.push(link)
      const queue = await openQueue({ ...options, runtime })
      opened.push(queue)
      return { queue, timeMs: callTimeMs, passedBytes: () => link.bytes }
    },
    close: async () => {
      await Promise.all(opened.map((queue) => queue.close()))
      await Promise.all(links.map((link) => link.close()))
      await server.close()
    },
  }
}
