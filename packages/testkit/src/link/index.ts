import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Runtime } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import { LinkDirection, type Flow, type LinkSpeed } from './link-direction.js'

export type { LinkSpeed } from './link-direction.js'

/** What of one connection may wait for its turn before no more is read of it. */
const MOST_WAITING_BYTES = 65_536

/** Where a server listens. */
export interface LinkTarget {
  readonly host: string
  readonly port: number
}

/** Bytes that went through a link. */
export interface LinkBytes {
  /** To the server. */
  readonly up: number
  /** From the server. */
  readonly down: number
}

/**
 * A TCP proxy in front of a server that is as slow as a link: so many bytes a second each way, shared by all connections in turn, and later by its
 * latency. What the operating system takes into its own buffers on either side is not part of it: of a few megabytes a sender sees nothing.
 */
export class SlowLink {
  readonly #server: Server
  readonly #up: LinkDirection
  readonly #down: LinkDirection
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server, speed: LinkSpeed, runtime: Runtime) {
    this.#server = server
    this.#up = new LinkDirection(speed, runtime)
    this.#down = new LinkDirection(speed, runtime)
  }

  /** Opens a link to a server, on a free port of the loopback. */
  static async open(target: LinkTarget, speed: LinkSpeed): Promise<SlowLink> {
    const server = createServer({ allowHalfOpen: true })
    const link = new SlowLink(server, speed, systemRuntime)
    server.on('connection', (near) => {
      link.#carry(near, connect({ ...target, allowHalfOpen: true }))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return link
  }

  /** Where to connect to instead of the server. */
  get address(): LinkTarget {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the link is closed')
    return { host: '127.0.0.1', port: address.port }
  }

  /** What has gone through since it was opened. */
  get bytes(): LinkBytes {
    return { up: this.#up.passedBytes, down: this.#down.passedBytes }
  }

  /** Breaks all connections. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #carry(near: Socket, far: Socket): void {
    near.setNoDelay(true)
    far.setNoDelay(true)
    const ways = [
      { from: near, to: far, direction: this.#up },
      { from: far, to: near, direction: this.#down },
    ]
    const flows = ways.map(({ from, to, direction }) => {
      const flow = flowOf(from, to)
      from.on('data', (bytes) => {
        if (direction.send(flow, bytes) > MOST_WAITING_BYTES) from.pause()
      })
      from.on('end', () => direction.end(flow))
      to.on('drain', () => direction.resume(flow))
      return () => direction.drop(flow)
    })
    for (const socket of [near, far]) {
      this.#sockets.add(socket)
      // The other side is told by the connection that breaks.
      socket.on('error', () => socket.destroy())
      socket.on('close', () => {
        this.#sockets.delete(socket)
        const isOver = near.readableEnded && far.readableEnded
        if (isOver) return
        for (const drop of flows) drop()
        near.destroy()
        far.destroy()
      })
    }
  }
}

function flowOf(from: Socket, to: Socket): Flow {
  return {
    deliver: (bytes) => to.destroyed || to.write(bytes),
    end: () => to.end(),
    drained: () => {
      if (from.isPaused()) from.resume()
    },
  }
}
