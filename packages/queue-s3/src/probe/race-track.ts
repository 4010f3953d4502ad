import { once } from 'node:events'
import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns/promises'
import * as http from 'node:http'
import * as https from 'node:https'
import { connect, isIP, Socket, type LookupFunction } from 'node:net'
import type { Runtime } from '@sluice/core'
import { timeoutSignal } from '@sluice/core/backend'

/** How long the servers have to read what was sent ahead, in ms. */
const READING_MS = 5
const MAX_ADDRESSES = 16
const MAX_CONNECT_MS = 1_000
/** A kept connection may turn out to be closed when it is used. */
const MAX_TRIES = 3

/** A request as the SDK has signed it. */
interface SignedRequest {
  readonly method: string
  readonly protocol: string
  readonly hostname: string
  readonly port?: number
  readonly path: string
  readonly query?: Readonly<Record<string, string | string[] | null>>
  readonly headers: Readonly<Record<string, string>>
  readonly body?: unknown
}

interface SdkResponse {
  readonly response: {
    readonly statusCode: number
    readonly headers: Record<string, string>
    readonly body: http.IncomingMessage
  }
}

export interface RaceTrackOptions {
  readonly runtime: Runtime
  /** The addresses of a name. Default the resolver of the system. */
  readonly resolve?: (hostname: string) => Promise<readonly LookupAddress[]>
  /** Resolves when the servers have read what was sent ahead. Default after a few ms. */
  readonly untilRead?: () => Promise<void>
}

type RaceTrackParts = Required<RaceTrackOptions>

/**
 * Sends requests of the SDK so that they reach the store at the same instant: each has a connection of its
 * own, opened before; the server gets all but the last byte of each body ahead, and the last bytes go out
 * together. A request without a body goes out whole at that instant. The addresses of the endpoint's name
 * take turns, since they may be several servers.
 */
export class RaceTrack {
  readonly #agents = new Map<string, http.Agent>()
  readonly #retired: http.Agent[] = []
  #addresses: Promise<readonly LookupAddress[]> | undefined
  #line: StartLine
  #offset = 0
  #keepAlive = true
  readonly #parts: RaceTrackParts
  readonly #servers = new Set<string>()

  constructor({
    runtime,
    resolve = (hostname) => lookup(hostname, { all: true }),
    untilRead = () => runtime.sleep(READING_MS),
  }: RaceTrackOptions) {
    this.#parts = { runtime, resolve, untilRead }
    this.#line = new StartLine([], this.#parts)
  }

  /** For `new S3Client({ requestHandler })`. */
  readonly requestHandler = {
    handle: (
      request: SignedRequest,
      options?: { readonly abortSignal?: AbortSignal },
    ): Promise<SdkResponse> => this.#handle(request, options?.abortSignal),
  }

  /**
   * Starts requests together.
   *
   * @param tokens one for each request, which has it as its user metadata `token`
   * @param send sends the request of a token through {@link requestHandler}
   */
  async run<T>(tokens: readonly string[], send: (token: string) => Promise<T>): Promise<T[]> {
    const line = new StartLine(tokens, this.#parts)
    this.#line = line
    const runs = tokens.map(async (token) => {
      try {
        return await send(token)
      } finally {
        line.leave(token)
      }
    })
    const ends = await Promise.allSettled(runs)
    this.#offset += tokens.length
    return ends.map((end) => {
      if (end.status === 'rejected') throw end.reason
      return end.value
    })
  }

  /** The values of the header `Server` in the answers. */
  get servers(): readonly string[] {
    return [...this.#servers]
  }

  /** Closes the connections. */
  close(): void {
    for (const agent of [...this.#agents.values(), ...this.#retired]) agent.destroy()
  }

  async #handle(request: SignedRequest, signal: AbortSignal | undefined): Promise<SdkResponse> {
    const token = request.headers['x-amz-meta-token'] ?? ''
    const line = this.#line
    const address = await this.#addressOf(request, this.#offset + line.indexOf(token))
    const racer = await this.#ready(request, address, signal)
    await line.start(token)
    racer.release()
    try {
      const response = await racer.response
      this.#servers.add(response.headers['server'] ?? '')
      return { response }
    } catch (error) {
      // The store closes connections without notice: from here on none is reused.
      if (racer.reused()) this.#useOnce()
      throw error
    }
  }

  async #ready(
    request: SignedRequest,
    address: LookupAddress | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Racer> {
    for (let tries = 1; ; tries++) {
      const racer = new Racer(request, { agent: this.#agentOf(request, address), address, signal })
      try {
        await racer.ready
        return racer
      } catch (error) {
        // A connection that the store closed while it was idle: the next try opens one.
        if (!racer.reused() || tries === MAX_TRIES) throw error
      }
    }
  }

  /** `undefined` without any: the request itself fails with the reason. */
  async #addressOf(request: SignedRequest, turn: number): Promise<LookupAddress | undefined> {
    const { runtime, resolve } = this.#parts
    this.#addresses ??= resolve(hostOf(request)).then((found) => reachable(found, request, runtime))
    const addresses = await this.#addresses
    return addresses[turn % addresses.length]
  }

  #agentOf({ protocol }: SignedRequest, address: LookupAddress | undefined): http.Agent {
    const name = address?.address ?? ''
    const known = this.#agents.get(name)
    if (known !== undefined) return known
    const options = { keepAlive: this.#keepAlive }
    const agent = protocol === 'https:' ? new https.Agent(options) : new http.Agent(options)
    this.#agents.set(name, agent)
    return agent
  }

  #useOnce(): void {
    this.#keepAlive = false
    // Others use its connections: `close` destroys it.
    this.#retired.push(...this.#agents.values())
    this.#agents.clear()
  }
}

/** Where requests wait until all of them have arrived, or failed before. */
class StartLine {
  readonly #tokens: readonly string[]
  readonly #missing: Set<string>
  readonly #start = Promise.withResolvers<void>()
  readonly #parts: Pick<RaceTrackParts, 'untilRead'>

  constructor(tokens: readonly string[], parts: Pick<RaceTrackParts, 'untilRead'>) {
    this.#tokens = tokens
    this.#parts = parts
    this.#missing = new Set(tokens)
  }

  indexOf(token: string): number {
    return Math.max(0, this.#tokens.indexOf(token))
  }

  start(token: string): Promise<void> {
    this.leave(token)
    return this.#start.promise
  }

  leave(token: string): void {
    if (!this.#missing.delete(token) || this.#missing.size > 0) return
    // One wait for all: they are released in the same turn of the event loop.
    void this.#parts.untilRead().then(this.#start.resolve)
  }
}

interface RacerOptions {
  readonly agent: http.Agent
  readonly address: LookupAddress | undefined
  readonly signal: AbortSignal | undefined
}

/** One request whose last part is held back. */
class Racer {
  /** The operating system has all but the last part. */
  readonly ready: Promise<void>
  readonly response: Promise<SdkResponse['response']>
  readonly #request: http.ClientRequest
  #release: () => void = () => undefined

  constructor(request: SignedRequest, { agent, address, signal }: RacerOptions) {
    const { protocol, hostname, port, method, headers } = request
    const isSecure = protocol === 'https:'
    this.#request = (isSecure ? https.request : http.request)({
      host: hostOf(request),
      ...(port === undefined ? {} : { port }),
      method,
      headers,
      path: pathOf(request),
      agent,
      ...(address === undefined || isIP(hostname) > 0 ? {} : { lookup: lookupTo(address) }),
      ...(signal === undefined ? {} : { signal }),
    })
    this.#request.setNoDelay(true)
    // A failure after an early answer has no reader.
    this.#request.on('error', () => undefined)
    this.response = this.#answer()
    // The caller that awaits the answer gets the failure; until then it must not end the process.
    this.response.catch(() => undefined)
    const body = request.body instanceof Uint8Array ? request.body : Buffer.alloc(0)
    this.ready = body.length > 1 ? this.#sendAhead(body) : this.#holdWhole(body, isSecure)
  }

  release(): void {
    this.#release()
  }

  /** Whether the connection was used before. */
  reused(): boolean {
    return this.#request.reusedSocket
  }

  async #answer(): Promise<SdkResponse['response']> {
    const [answer]: unknown[] = await once(this.#request, 'response')
    if (!(answer instanceof http.IncomingMessage)) throw new TypeError('The response is not one of node:http')
    const headers = Object.entries(answer.headers).map(([name, value]) => [name, String(value)])
    return { statusCode: answer.statusCode ?? 0, headers: Object.fromEntries(headers), body: answer }
  }

  async #sendAhead(body: Uint8Array): Promise<void> {
    this.#release = () => this.#request.end(body.subarray(-1))
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#request.write(body.subarray(0, -1), () => resolve())
    // The connection may fail first, and a store may answer without having read the rest.
    await Promise.race([promise, this.response])
  }

  async #holdWhole(body: Uint8Array, isSecure: boolean): Promise<void> {
    const [socket]: unknown[] = await once(this.#request, 'socket')
    if (!(socket instanceof Socket)) throw new TypeError('The connection is not one of node:net')
    if (socket.connecting) await once(socket, isSecure ? 'secureConnect' : 'connect')
    // Nothing is sent before this: the head goes out with the end.
    this.#release = () => this.#request.end(body)
  }
}

/** What node:net connects to: an IPv6 address has no brackets there. */
function hostOf({ hostname }: SignedRequest): string {
  return hostname.replace(/^\[(.*)\]$/u, '$1')
}

function pathOf({ path, query = {} }: SignedRequest): string {
  const pairs = Object.entries(query).flatMap(([name, values]) =>
    [values ?? ''].flat().map((value): [string, string] => [name, value]),
  )
  return pairs.length === 0 ? path : `${path}?${new URLSearchParams(pairs).toString()}`
}

function lookupTo({ address, family }: LookupAddress): LookupFunction {
  return (_, options, callback) => {
    if (options.all === true) callback(null, [{ address, family }])
    else callback(null, address, family)
  }
}

/** The addresses of the endpoint that accept connections, or all of them where none does. */
async function reachable(
  found: readonly LookupAddress[],
  request: SignedRequest,
  runtime: Runtime,
): Promise<readonly LookupAddress[]> {
  const addresses = found.slice(0, MAX_ADDRESSES)
  if (addresses.length < 2) return addresses
  const port = request.port ?? (request.protocol === 'https:' ? 443 : 80)
  const open = await Promise.all(addresses.map(({ address }) => connects(runtime, { host: address, port })))
  const taking = addresses.filter((_, index) => open[index] === true)
  return taking.length === 0 ? addresses : taking
}

async function connects(runtime: Runtime, address: { host: string; port: number }): Promise<boolean> {
  const socket = connect(address)
  try {
    await once(socket, 'connect', { signal: timeoutSignal(runtime, MAX_CONNECT_MS) })
    return true
  } catch {
    // Refused, unreachable or silent: there are other addresses.
    return false
  } finally {
    socket.destroy()
  }
}
