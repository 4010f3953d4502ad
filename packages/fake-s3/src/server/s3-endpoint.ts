import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { bodyOf, drop, headersOf, ServedRequests, settlement } from '@sluice/testkit/server'
import type { S3Answer } from './answer.js'
import type { S3Fault } from './fault.js'
import type { S3Operation } from './operation.js'
import type { S3Request } from './request.js'
import { S3RequestLog, type LoggedRequest, type OpenEntry } from './request-log.js'
import type { ReadRequest, S3Core } from './s3-core.js'

/**
 * Called with each request once it has arrived whole and before it takes effect; returns its fault, if any.
 */
export type OnRequest = (request: S3Request) => S3Fault | undefined | Promise<S3Fault | undefined>

/** What ends the window between check and write of a PUT. `undefined`: this request is atomic. */
export type RaceWindow = (request: S3Request) => Promise<unknown> | undefined

/** The options of an endpoint; all of them can be changed later. */
export interface S3EndpointOptions {
  /** Where it listens. Default 0, any free port. */
  readonly port?: number
  /** The address it listens on. Default the loopback, `127.0.0.1`. */
  readonly host?: string
  /** Ms each request waits before it takes effect. Default 0. */
  readonly latencyMs?: number | ((request: S3Request) => number)
  /** The faults. Default none. */
  readonly onRequest?: OnRequest
  /**
   * The process behind this endpoint dies at its request of this number, counted from 0, which does not take
   * effect. Default never.
   */
  readonly crashAt?: number
  /**
   * For a store whose conditions are not atomic: what a PUT waits for between its check and its write, after
   * the latency. Two PUTs of one key that are both in their windows both win. Default: the latency, or one
   * turn of the event loop.
   */
  readonly raceWindow?: RaceWindow
  /** How many requests the log keeps. Default 100,000. */
  readonly maxLogged?: number
}

/**
 * One address of the server. Several addresses show the same buckets, each with its own faults, counts and
 * crash: give each simulated process one of its own.
 */
export class S3Endpoint {
  latencyMs: number | ((request: S3Request) => number)
  onRequest: OnRequest | undefined
  crashAt: number | undefined
  raceWindow: RaceWindow | undefined
  readonly #core: S3Core
  readonly #log: S3RequestLog
  readonly #http: Server
  readonly #served = new ServedRequests()
  /** Connections that the server has dropped without notice. */
  readonly #abandoned = new WeakSet<Socket>()
  #arrived = 0
  #crashed = false
  #url = ''

  /** Use {@link S3Endpoint.open}. */
  private constructor(core: S3Core, options: S3EndpointOptions) {
    this.#core = core
    this.latencyMs = options.latencyMs ?? 0
    this.onRequest = options.onRequest
    this.crashAt = options.crashAt
    this.raceWindow = options.raceWindow
    this.#log = new S3RequestLog(options.maxLogged ?? 100_000)
    this.#http = createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, (incoming, reply) => {
      this.#served.track(this.#serve(incoming, reply), incoming)
    })
    this.#http.on('connection', (socket) => {
      if (this.#crashed) socket.destroy()
    })
  }

  /** Listens, by default on a free port of the loopback. */
  static async open(core: S3Core, options: S3EndpointOptions): Promise<S3Endpoint> {
    const endpoint = new S3Endpoint(core, options)
    const { port = 0, host = '127.0.0.1' } = options
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    endpoint.#http.once('error', reject)
    endpoint.#http.listen(port, host, resolve)
    await promise
    const address = endpoint.#http.address()
    const shown = host.includes(':') ? `[${host}]` : host
    if (address !== null && typeof address === 'object') endpoint.#url = `http://${shown}:${address.port}`
    return endpoint
  }

  /** The URL to give to a client, such as `http://127.0.0.1:40123`. */
  get endpoint(): string {
    return this.#url
  }

  /** How many requests of each operation arrived here. */
  counts(): Record<S3Operation, number> {
    return this.#log.counts()
  }

  /** The requests that arrived here, in that order. */
  get requests(): readonly LoggedRequest[] {
    return this.#log.requests
  }

  /** The highest number of concurrent requests. */
  get maxInFlight(): number {
    return this.#log.maxInFlight
  }

  /** Clears counts and log; the numbers of requests go on. */
  resetCounts(): void {
    this.#log.reset()
  }

  /** Whether the process behind this endpoint has died. */
  crashed(): boolean {
    return this.#crashed
  }

  /**
   * Kills the process behind this endpoint: all connections close, nothing more is passed on. Held requests
   * still take effect.
   */
  crash(): void {
    this.#crashed = true
    this.#http.closeAllConnections()
  }

  /**
   * Resolves when every request that arrived has taken effect or been dropped: held and duplicated ones too.
   *
   * @throws what `onRequest` or `latencyMs` threw meanwhile; such a request was dropped
   */
  async settled(): Promise<void> {
    await this.#served.settled(this.#url)
  }

  /** Stops listening and closes all connections. Twice is fine. */
  async close(): Promise<void> {
    this.crash()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#http.close(() => resolve())
    await promise
  }

  async #serve(incoming: IncomingMessage, reply: ServerResponse): Promise<void> {
    const seenChange = this.#core.store.changes
    const body = await bodyOf(incoming)
    // A request that was cut off has not arrived; a dead process sends none.
    if (body === undefined || this.#crashed || this.#abandoned.has(incoming.socket)) return drop(incoming)
    const index = this.#arrived++
    const { method = 'GET', url: target = '/' } = incoming
    const raw = { index, method, target, headers: headersOf(incoming), body }
    const read = this.#core.read(raw, seenChange)
    const entry = this.#log.open(read.request, this.#core.settings.runtime.now())
    reply.once('close', () => this.#log.leave())
    const fault = this.crashAt === index ? ({ do: 'crash' } as const) : await this.onRequest?.(read.request)
    if (fault !== undefined) entry.fault = fault.do
    await this.#carryOut({ read, entry, incoming, reply }, fault)
  }

  async #carryOut(exchange: Exchange, fault: S3Fault | undefined): Promise<void> {
    switch (fault?.do) {
      case undefined:
        return this.#answer(exchange, await this.#apply(exchange))
      case 'hold':
        if (fault.reply === 'dropped') drop(exchange.incoming)
        await settlement(fault.until)
        return this.#answer(exchange, await this.#apply(exchange))
      case 'duplicate':
        return this.#applyTwice(exchange, fault)
      case 'drop-request':
        return drop(exchange.incoming)
      case 'drop-reply':
        await this.#apply(exchange)
        return drop(exchange.incoming)
      case 'answer':
        if (fault.applied === true) await this.#apply(exchange)
        return this.#answer(exchange, fault.answer)
      case 'alter':
        return this.#answer(exchange, await this.#apply(exchange), fault.headers)
      case 'crash':
        // From now on: a request that arrives while this one takes effect must not be passed on.
        this.#crashed = true
        if (fault.applied === true) await this.#apply(exchange)
        return this.crash()
    }
  }

  async #applyTwice(exchange: Exchange, fault: S3Fault & { do: 'duplicate' }): Promise<void> {
    const first = await this.#apply(exchange)
    if (fault.answer !== 'second') this.#answer(exchange, first)
    await settlement(fault.until)
    const second = await this.#apply(exchange)
    if (fault.answer === 'second') this.#answer(exchange, second)
  }

  async #apply({ read }: Exchange): Promise<S3Answer> {
    const { runtime } = this.#core.settings
    const latencyMs = typeof this.latencyMs === 'number' ? this.latencyMs : this.latencyMs(read.request)
    if (this.raceWindow !== undefined) {
      if (latencyMs > 0) await runtime.sleep(latencyMs)
      return this.#applyInWindow(read, this.raceWindow)
    }
    const judged = this.#core.judge(read)
    if (latencyMs > 0) await runtime.sleep(latencyMs)
    else if (judged !== undefined) await runtime.yield()
    return this.#core.apply(read, judged)
  }

  async #applyInWindow(read: ReadRequest, windowOf: RaceWindow): Promise<S3Answer> {
    const judged = this.#core.judge(read)
    const end = judged === undefined ? undefined : windowOf(read.request)
    if (end === undefined) return this.#core.apply(read)
    await end
    return this.#core.apply(read, judged)
  }

  #answer({ read, entry, incoming, reply }: Exchange, answer: S3Answer, altered: AlteredHeaders = {}): void {
    if (reply.destroyed) return
    entry.status = answer.status
    if (answer.status === 412 && this.#core.settings.rules.connectionAfterRefusal === 'closed')
      this.#abandoned.add(incoming.socket)
    if (answer.code !== undefined) entry.code = answer.code
    const body = answer.body ?? ''
    const id = entry.index.toString(16).toUpperCase().padStart(16, '0')
    // Answers without a body have no length either, by the protocol.
    const length =
      answer.status === 204 || answer.status === 304 ? {} : { 'content-length': Buffer.byteLength(body) }
    const headers = {
      date: new Date(this.#core.settings.runtime.now()).toUTCString(),
      server: this.#core.settings.rules.server,
      'x-amz-request-id': id,
      'x-amz-id-2': `${id}EXT`,
      ...length,
      ...answer.headers,
      ...altered,
    }
    reply.sendDate = false
    reply.writeHead(
      answer.status,
      Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)),
    )
    reply.end(read.request.method === 'HEAD' ? undefined : body)
  }
}

type AlteredHeaders = Readonly<Record<string, string | undefined>>

interface Exchange {
  readonly read: ReadRequest
  readonly entry: OpenEntry
  readonly incoming: IncomingMessage
  readonly reply: ServerResponse
}
