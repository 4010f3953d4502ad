import { check } from '@sluice/testkit/server'
import { asObject, type JsonObject } from '../argo-workflow.js'
import type { Probe } from './probe.js'

const PATIENCE_MS = 60_000
const STEP_MS = 250
/** How often Kubernetes may close a watch as it opens before a fact fails. */
const MAX_OPENINGS = 5

interface WatchRequest {
  readonly query: Readonly<Record<string, string>>
  /** Default server-sent events. */
  readonly accept?: string
}

/** An open watch, as bytes and as frames. */
export class Watching {
  readonly #probe: Probe
  readonly #abort = new AbortController()
  #answer: Response | undefined
  #text = ''
  #read = 0
  #ended = false

  private constructor(probe: Probe) {
    this.#probe = probe
  }

  /** Opens a watch for some steps. Nothing waits for its headers: they may come late. */
  static async use(
    probe: Probe,
    { query, accept = 'text/event-stream' }: WatchRequest,
    steps: (watch: Watching) => Promise<void>,
  ): Promise<void> {
    const watch = new Watching(probe)
    const reading = watch.#follow(query, accept)
    try {
      await steps(watch)
    } finally {
      watch.#abort.abort()
      await reading
    }
  }

  get type(): string {
    return this.#answer?.headers.get('content-type') ?? ''
  }

  get status(): number | undefined {
    return this.#answer?.status
  }

  /** All that came so far, once a condition holds. */
  async raw(isThere: (text: string) => boolean): Promise<string> {
    await this.#until('what a watch tells', () => isThere(this.#text))
    return this.#text
  }

  /** The next event that meets a condition; those before it are skipped. */
  async event(isWanted: (event: JsonObject) => boolean): Promise<JsonObject> {
    const found = await this.#next((frame) => {
      const result = frame['result']
      return result !== undefined && isWanted(asObject(result))
    })
    return asObject(found['result'])
  }

  /** The error that it ends with. */
  async error(): Promise<JsonObject> {
    return asObject((await this.#next((frame) => frame['error'] !== undefined))['error'])
  }

  async #next(isWanted: (frame: JsonObject) => boolean): Promise<JsonObject> {
    let found: JsonObject | undefined
    await this.#until('an event of a watch', () => {
      const frames = framesIn(this.#text)
      while (found === undefined && this.#read < frames.length) {
        const frame = frames[this.#read++] ?? {}
        if (isWanted(frame)) found = frame
      }
      return found !== undefined
    })
    return found ?? {}
  }

  async #until(what: string, isThere: () => boolean): Promise<void> {
    for (let passed = 0; !isThere(); passed += STEP_MS) {
      check(
        passed < PATIENCE_MS && !this.#ended,
        `${what} comes within ${PATIENCE_MS} ms`,
        this.#text.slice(-1_000),
      )
      await this.#probe.pass(STEP_MS)
    }
  }

  async #follow(query: Readonly<Record<string, string>>, accept: string): Promise<void> {
    const { url, token, namespace } = this.#probe.target
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
    try {
      const path = `${url}/api/v1/workflow-events/${namespace}?${new URLSearchParams(query).toString()}`
      const init = { headers: { accept, ...authorization }, signal: this.#abort.signal }
      this.#answer = await fetch(path, init)
      for (let openings = 1; this.#answer.status === 429 && openings < MAX_OPENINGS; openings++) {
        await this.#answer.body?.cancel()
        this.#answer = await fetch(path, init)
      }
      const decoder = new TextDecoder()
      for await (const bytes of this.#answer.body ?? []) this.#text += decoder.decode(bytes, { stream: true })
      this.#ended = true
    } catch (error) {
      this.#ended = true
      if (!this.#abort.signal.aborted) this.#text += `\n(cut: ${String(error)})`
    }
  }
}

/** The whole frames in a text, of either kind of watch. */
function framesIn(text: string): JsonObject[] {
  return text.split('\n').flatMap((line) => {
    const json = line.startsWith('data: ') ? line.slice('data: '.length) : line
    return json.startsWith('{') && json.trimEnd().endsWith('}') ? parsed(json) : []
  })
}

function parsed(json: string): JsonObject[] {
  try {
    return [asObject(JSON.parse(json))]
  } catch {
    // An incomplete line is no event.
    return []
  }
}
