import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Runtime } from '@sluice/core'
import { bodyOf, drop, headersOf, settlement } from '@sluice/testkit/server'
import type { ArgoAnswer } from './answer.js'
import { isStreamed, type ArgoCore } from './argo-core.js'
import { sendAnswer, sendBeginning, sendTrickle, type Exchange } from './exchange.js'
import type { ArgoFault } from './fault.js'
import { LogStream } from '../streams/log-stream.js'
import type { RateLimit } from './rate-limit.js'
import type { Replica } from './replica.js'
import type { OverloadState } from './overload.js'
import { parseRequest, type ArgoRequest } from './request.js'
import type { ArgoRequestLog } from './request-log.js'
import { troubleAnswer } from './trouble.js'
import { StreamReply, type WatchSettings } from '../streams/stream-reply.js'
import { WatchStream } from '../streams/watch-stream.js'

/**
 * Called with each request once it has arrived whole and before it takes effect; returns its fault, if any.
 */
export type OnArgoRequest = (request: ArgoRequest) => ArgoFault | undefined | Promise<ArgoFault | undefined>

/** What endpoints share. */
export interface EndpointParts {
  readonly core: ArgoCore
  readonly runtime: Runtime
  readonly rateLimit: RateLimit
  readonly overload: OverloadState
  readonly watching: WatchSettings
}

/** What an endpoint has of its own. */
interface HandlerParts {
  readonly replica: Replica
  readonly log: ArgoRequestLog
  readonly onCrash: () => void
}

/** Reads requests, applies their faults, and answers. */
export class RequestHandler {
  latencyMs: number | ((request: ArgoRequest) => number) = 0
  onRequest: OnArgoRequest | undefined
  crashed = false
  basePath = ''
  readonly watches = new Set<WatchStream>()
  readonly logStreams = new Set<LogStream>()
  readonly #parts: EndpointParts
  readonly #replica: Replica
  readonly #log: ArgoRequestLog
  readonly #onCrash: () => void
  #arrived = 0

  constructor(parts: EndpointParts, own: HandlerParts) {
    this.#parts = parts
    this.#replica = own.replica
    this.#log = own.log
    this.#onCrash = own.onCrash
  }

  /** Serves one request to its end; rejects with what a hook threw. */
  async serve(incoming: IncomingMessage, reply: ServerResponse): Promise<void> {
    const body = (await bodyOf(incoming))?.toString('utf8')
    // A request that was cut off has not arrived; a dead process sends none.
    if (body === undefined || this.crashed) return drop(incoming)
    const { core, runtime, rateLimit } = this.#parts
    const { method = 'GET', url = '/' } = incoming
    const isOurs = this.basePath === '' || url.startsWith(`${this.basePath}/`)
    const target = isOurs ? url.slice(this.basePath.length) : '/'
    const request = parseRequest({
      index: this.#arrived++,
      method,
      target,
      headers: headersOf(incoming),
      body,
    })
    core.parts.controller.catchUp()
    const now = runtime.now()
    const log = this.#log
    const entry = log.open(request, now, core.parts.cluster.unfinished)
    reply.once('close', () => log.leave())
    const limit = rateLimit.take(now)
    const exchange: Exchange = { request, entry, log, incoming, reply, headers: limit.headers }
    if (!isOurs) return sendAnswer(exchange, troubleAnswer('proxy-404', request, now))
    if (limit.over) return sendAnswer(exchange, troubleAnswer('rate-limited', request, now))
    const fault = await this.onRequest?.(request)
    if (fault !== undefined) entry.fault = fault.do
    const load = this.#parts.overload.effectOn(isNew(request), core.parts.cluster.unfinished)
    const ownMs = typeof this.latencyMs === 'number' ? this.latencyMs : this.latencyMs(request)
    if (ownMs + load.latencyMs > 0) await runtime.sleep(ownMs + load.latencyMs)
    if (load.trouble !== undefined)
      return sendAnswer(exchange, troubleAnswer(load.trouble, request, runtime.now()))
    return this.#carryOut(exchange, fault)
  }

  async #carryOut(exchange: Exchange, fault: ArgoFault | undefined): Promise<void> {
    switch (fault?.do) {
      case undefined:
        return this.#complete(exchange)
      case 'delay':
        await this.#parts.runtime.sleep(fault.ms)
        return this.#complete(exchange)
      case 'hold':
        if (fault.reply === 'dropped') drop(exchange.incoming)
        await settlement(fault.until)
        return this.#complete(exchange)
      case 'hold-reply':
        return this.#holdReply(exchange, fault.until)
      case 'duplicate':
        return this.#applyTwice(exchange, fault)
      case 'drop-request':
        return drop(exchange.incoming)
      case 'drop-reply':
        this.#apply(exchange)
        return drop(exchange.incoming)
      case 'cut-reply':
        return sendBeginning(exchange, this.#apply(exchange), fault.afterBytes)
      case 'trickle-reply':
        return sendTrickle(exchange, this.#apply(exchange), fault)
      case 'answer':
        return this.#answerInstead(exchange, fault)
      case 'rewrite':
        return this.#rewrite(exchange, fault)
      case 'crash':
        return this.#crash(exchange, fault.applied === true)
    }
  }

  #complete(exchange: Exchange): void {
    const { operation } = exchange.request
    if (operation === 'WatchWorkflows') this.#watch(exchange)
    else if (operation === 'WorkflowLogs') this.#sendLog(exchange)
    else sendAnswer(exchange, this.#apply(exchange))
  }

  async #holdReply(exchange: Exchange, until: Promise<unknown>): Promise<void> {
    const answer = this.#apply(exchange)
    await settlement(until)
    sendAnswer(exchange, answer)
  }

  async #applyTwice(exchange: Exchange, fault: ArgoFault & { do: 'duplicate' }): Promise<void> {
    const first = this.#apply(exchange)
    if (fault.answer !== 'second') sendAnswer(exchange, first)
    await settlement(fault.until)
    const second = this.#apply(exchange)
    if (fault.answer === 'second') sendAnswer(exchange, second)
  }

  #answerInstead(exchange: Exchange, { answer, applied }: ArgoFault & { do: 'answer' }): void {
    if (applied === true) this.#apply(exchange)
    const made = typeof answer === 'function' ? answer(exchange.request, this.#parts.runtime.now()) : answer
    sendAnswer(exchange, made)
  }

  #rewrite(exchange: Exchange, { request, answer }: ArgoFault & { do: 'rewrite' }): void {
    const changed = { ...exchange, request: request?.(exchange.request) ?? exchange.request }
    if (answer === undefined || isStreamed(changed.request.operation)) return this.#complete(changed)
    sendAnswer(changed, answer(this.#apply(changed), changed.request))
  }

  #crash(exchange: Exchange, applied: boolean): void {
    // From now on: a request that arrives meanwhile must not be passed on.
    this.crashed = true
    if (applied) this.#apply(exchange)
    this.#onCrash()
  }

  #apply({ request }: Exchange): ArgoAnswer {
    return this.#parts.core.apply(request, this.#replica)
  }

  #watch(exchange: Exchange): void {
    const { core, runtime } = this.#parts
    if (exchange.reply.destroyed) return
    const opened = core.watch(exchange.request, this.#replica)
    if ('status' in opened) return sendAnswer(exchange, opened)
    const stream = new WatchStream(opened, this.#streamReply(exchange, opened.events))
    this.#keep(this.watches, stream, exchange)
    stream.follow(core.parts.cluster, runtime)
  }

  #sendLog(exchange: Exchange): void {
    const { core, runtime } = this.#parts
    if (exchange.reply.destroyed) return
    const opened = core.log(exchange.request, this.#replica)
    if ('status' in opened) return sendAnswer(exchange, opened)
    const stream = new LogStream(opened, this.#streamReply(exchange, opened.events))
    this.#keep(this.logStreams, stream, exchange)
    const { cluster, pods } = core.parts
    stream.send({ cluster, pods, runtime })
  }

  #streamReply({ reply, entry, log, headers }: Exchange, events: boolean): StreamReply {
    const type = events ? 'text/event-stream' : 'application/json'
    return new StreamReply({
      reply,
      events,
      settings: this.#parts.watching,
      headers: { ...headers, 'content-type': type, 'x-content-type-options': 'nosniff' },
      onBytes: (count) => log.answered(entry, count),
    })
  }

  #keep<T>(open: Set<T>, stream: T, { entry, reply }: Exchange): void {
    entry.status = 200
    open.add(stream)
    reply.once('close', () => open.delete(stream))
  }
}

function isNew({ operation }: ArgoRequest): boolean {
  return operation === 'SubmitWorkflow' || operation === 'CreateWorkflow'
}
