import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { StorageTrouble, TroubleOptions } from '@sluice/testkit'

/** Statements of one way to a PostgreSQL server, one of which, or all from one on, go wrong. */
export interface StatementProxy {
  readonly url: string
  /** Statements count from here on. */
  arm(options: TroubleOptions): void
  readonly reached: () => boolean
  close(): Promise<void>
}

interface Part {
  readonly bytes: Buffer
  readonly isStatement: boolean
}

/** Parse, Bind, Describe and Execute belong to the statement that the next Sync ends. */
const BEFORE_SYNC = 'PBDE'
/** A Sync ends a statement, and a simple query is one. */
const ENDS_STATEMENT = 'SQ'

/**
 * Cuts what a client sends into statements; all else, such as its greeting and its password, is cut into
 * messages.
 */
class StatementCutter {
  #rest: Buffer = Buffer.alloc(0)
  #isGreeted = false

  cut(bytes: Buffer): Part[] {
    this.#rest = Buffer.concat([this.#rest, bytes])
    const parts: Part[] = []
    let from = 0
    for (let at = 0; ;) {
      // The first message has no type.
      const lengthAt = this.#isGreeted ? at + 1 : at
      if (this.#rest.length < lengthAt + 4) break
      const end = lengthAt + this.#rest.readInt32BE(lengthAt)
      if (this.#rest.length < end) break
      const type = this.#isGreeted ? this.#rest.toString('latin1', at, at + 1) : ''
      this.#isGreeted = true
      at = end
      if (type !== '' && BEFORE_SYNC.includes(type)) continue
      const isStatement = type !== '' && ENDS_STATEMENT.includes(type)
      parts.push({ bytes: this.#rest.subarray(from, end), isStatement })
      from = end
    }
    this.#rest = this.#rest.subarray(from)
    return parts
  }
}

/** Lets one statement through, or lets it go wrong. */
class Troublemaker {
  #options: TroubleOptions | undefined
  #statements = 0
  reached = false

  arm(options: TroubleOptions): void {
    this.#options = options
  }

  next(): StorageTrouble | undefined {
    if (this.#options === undefined) return undefined
    const { trouble, point, lasting } = this.#options
    const number = this.#statements++
    if (lasting ? number < point : number !== point) return undefined
    this.reached = true
    return trouble
  }
}

/**
 * A way to a server that knows where each statement begins. The connection breaks before a statement that
 * `fails` gets there, and before the answer of one whose answer is lost; of one that hangs nothing is heard.
 */
export async function startStatementProxy(url: string): Promise<StatementProxy> {
  const target = new URL(url)
  const sockets = new Set<Socket>()
  const troublemaker = new Troublemaker()
  const server = createServer((near) => {
    const far = connect(Number(target.port || 5432), target.hostname)
    const cutter = new StatementCutter()
    let trouble: StorageTrouble | undefined
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
    }
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
    far.on('data', (bytes) => {
      if (trouble === undefined) near.write(bytes)
      else if (trouble === 'answer-lost') near.destroy()
    })
    near.on('data', (bytes: Buffer) => {
      for (const part of cutter.cut(bytes)) {
        if (part.isStatement) trouble = troublemaker.next()
        if (trouble === 'fails') near.destroy()
        if (trouble === undefined || trouble === 'answer-lost') far.write(part.bytes)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const through = new URL(url)
  through.hostname = '127.0.0.1'
  through.port = String(address.port)
  return {
    url: through.href,
    arm: (options) => troublemaker.arm(options),
    reached: () => troublemaker.reached,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
