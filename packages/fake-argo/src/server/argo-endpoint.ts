import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { ServedRequests } from '@sluice/testkit/server'
import type { ArgoOperation } from './operation.js'
import { Replica } from './replica.js'
import { RequestHandler, type EndpointParts, type OnArgoRequest } from './request-handler.js'
import type { ArgoRequest } from './request.js'
import { ArgoRequestLog, type ArgoTraffic, type LoggedArgoRequest } from './request-log.js'
import type { LogStream } from '../streams/log-stream.js'
import type { WatchStream } from '../streams/watch-stream.js'

/** The options of an endpoint. */
export interface ArgoEndpointOptions {
  /** Ms of the clock each request waits before it takes effect. Default 0. */
  readonly latencyMs?: number | ((request: ArgoRequest) => number)
  /** The faults. Default none. */
  readonly onRequest?: OnArgoRequest
  /** How many ms its lists lag behind; read at each list. Default 0. */
  readonly listLagMs?: number | (() => number)
  /** How many lists lack a workflow after its creation, though they have all others. Default 0. */
  readonly listsWithoutNew?: number
  /** The port to listen on. Default any free one. */
  readonly port?: number
  /** The address to listen on. Default `127.0.0.1`. */
  readonly host?: string
  /**
   * The path of an ingress, such as `/argo`: the prefix is removed, and all other paths are the ingress' 404.
   * Default the root.
   */
  readonly basePath?: string
  /** Serves TLS with this key and certificate, in PEM. Default plain HTTP. */
  readonly tls?: { readonly key: string; readonly cert: string }
  /** How many requests the log keeps. Default 100,000. */
  readonly maxLogged?: number
}

/**
 * One address of the server: one replica, with a cache for its lists, faults, counts and log of its own. All
 * replicas show the same workflows.
 */
export class ArgoEndpoint {
  /** The cache that its lists come from. */
  readonly replica: Replica
  readonly #handler: RequestHandler
  readonly #log: ArgoRequestLog
  readonly #http: Server
  readonly #scheme: 'http' | 'https'
  readonly #host: string
  readonly #basePath: string
  readonly #served = new ServedRequests()
  #port: number

  /** Use {@link ArgoEndpoint.open}. */
  private constructor(parts: EndpointParts, options: ArgoEndpointOptions) {
    this.#scheme = options.tls === undefined ? 'http' : 'https'
    this.#host = options.host ?? '127.0.0.1'
    this.#basePath = options.basePath ?? ''
    this.#port = options.port ?? 0
    this.replica = new Replica(parts.core.parts.cluster, () => parts.runtime.now(), options.listLagMs ?? 0)
    this.replica.listsWithoutNew = options.listsWithoutNew ?? 0
    this.#log = new ArgoRequestLog(options.maxLogged ?? 100_000)
    this.#handler = new RequestHandler(parts, {
      replica: this.replica,
      log: this.#log,
      onCrash: () => this.crash(),
    })
    this.#handler.latencyMs = options.latencyMs ?? 0
    this.#handler.onRequest = options.onRequest
    this.#handler.basePath = this.#basePath
    const serve = (incoming: IncomingMessage, reply: ServerResponse) =>
      this.#served.track(this.#handler.serve(incoming, reply), incoming)
    const settings = { keepAliveTimeout: 0, requestTimeout: 0 }
    const { tls } = options
    this.#http =
      tls === undefined ? createServer(settings, serve) : createTlsServer({ ...settings, ...tls }, serve)
    this.#http.on('connection', (socket) => {
      if (this.#handler.crashed) socket.destroy()
    })
  }

  /** Listens on the port. */
  static async open(parts: EndpointParts, options: ArgoEndpointOptions): Promise<ArgoEndpoint> {
    const endpoint = new ArgoEndpoint(parts, options)
    await endpoint.start()
    return endpoint
  }

  /**
   * The base URL to give to a client, such as `http://127.0.0.1:2746`, with the base path if there is one.
   */
  get url(): string {
    const host = this.#host === '0.0.0.0' ? '127.0.0.1' : this.#host
    return `${this.#scheme}://${host}:${this.#port}${this.#basePath}`
  }

  /** The faults; `undefined`: none. */
  get onRequest(): OnArgoRequest | undefined {
    return this.#handler.onRequest
  }

  set onRequest(hook: OnArgoRequest | undefined) {
    this.#handler.onRequest = hook
  }

  /** Ms of the clock each request waits before it takes effect. */
  get latencyMs(): number | ((request: ArgoRequest) => number) {
    return this.#handler.latencyMs
  }

  set latencyMs(latencyMs: number | ((request: ArgoRequest) => number)) {
    this.#handler.latencyMs = latencyMs
  }

  /** How many requests of each operation arrived here, with bytes of their bodies and of the answers'. */
  traffic(): Record<ArgoOperation, ArgoTraffic> {
    return this.#log.traffic()
  }

  /** The requests that arrived here, in that order. */
  get requests(): readonly LoggedArgoRequest[] {
    return this.#log.requests
  }

  /** The highest number of concurrent requests, watches included. */
  get maxInFlight(): number {
    return this.#log.maxInFlight
  }

  /** The watches that are open here, oldest first. */
  get watches(): readonly WatchStream[] {
    return [...this.#handler.watches]
  }

  /** The logs that are being read here, oldest first. */
  get logStreams(): readonly LogStream[] {
    return [...this.#handler.logStreams]
  }

  /** Clears counts and log; the numbers of requests go on. */
  resetCounts(): void {
    this.#log.reset()
  }

  /** Listens again, on the same port, after `stop`. */
  async start(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#http.once('error', reject)
    this.#http.listen(this.#port, this.#host, resolve)
    await promise
    this.#http.off('error', reject)
    const address = this.#http.address()
    if (address !== null && typeof address === 'object') this.#port = address.port
  }

  /** Stops listening: connections are closed, new ones refused. Held requests still take effect. */
  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#http.close(() => resolve())
    this.#http.closeAllConnections()
    await promise
  }

  /**
   * Restarts the replica: connections are closed, and for `ms` its lists are empty and without a
   * resourceVersion.
   */
  restart(unsyncedMs = 0): void {
    this.#http.closeAllConnections()
    this.replica.restart(unsyncedMs)
  }

  /** Whether the process that sends here has died, by a fault `crash` or by `crash()`. */
  crashed(): boolean {
    return this.#handler.crashed
  }

  /**
   * Kills the process that sends here: all connections close, nothing more is passed on. Held requests still
   * take effect.
   */
  crash(): void {
    this.#handler.crashed = true
    this.#http.closeAllConnections()
  }

  /**
   * Resolves when every request that arrived has taken effect or been dropped: held and duplicated ones too.
   *
   * @throws what `onRequest` or `latencyMs` threw meanwhile; such a request was dropped
   */
  async settled(): Promise<void> {
    await this.#served.settled(this.url)
  }

  /** Stops for good. Twice is fine. */
  async close(): Promise<void> {
    this.replica.close()
    await this.stop()
  }
}
