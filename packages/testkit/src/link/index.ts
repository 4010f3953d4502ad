import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Runtime } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import { LinkDirection, type Flow, type LinkSpeed } from './link-direction.js'

export type { LinkSpeed } from './link-direction.js'

/** The most bytes of one connection that may wait; reading stops above it. */
const MOST_WAITING_BYTES = 65_536

/** The address of a server. */
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
 * A TCP proxy before a server that is as slow as a link: a number of bytes a second each way, shared by all
 * connections in turn, and a latency. The buffers of the operating system on either side are not part of it:
 * the first few megabytes pass without delay for their sender.
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

  /** The address to connect to instead of the server's. */
  get address(): LinkTarget {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the link is closed')
    return { host: '127.0.0.1', port: address.port }
  }

  /** The bytes passed on since it was opened. */
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
      // The other side sees the connection break.
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
