import { systemRuntime } from '@sluice/core/backend'
import { check, same } from '@sluice/testkit/server'
import { asArray, asObject, asText, type JsonObject } from '../argo-workflow.js'
import type { ArgoTarget } from './argo-fact.js'
import { isAtLeast } from '../argo-version.js'

/** An answer and its body. */
export interface Came {
  readonly status: number
  readonly headers: Headers
  /** The body as an object; empty when it is none. */
  readonly body: JsonObject
  readonly text: string
}

/** How long a fact waits for a condition, in ms of the server's time. */
const PATIENCE_MS = 60_000
const STEP_MS = 250

/** The tools of one fact: short calls for requests, and workflows that are deleted at the end. */
export class Probe {
  readonly target: ArgoTarget
  readonly #made = new Set<string>()

  constructor(target: ArgoTarget) {
    this.target = target
  }

  /** Runs a fact's steps, and deletes afterwards what they created. */
  static async use(target: ArgoTarget, steps: (probe: Probe) => Promise<void>): Promise<void> {
    const probe = new Probe(target)
    try {
      await steps(probe)
    } finally {
      for (const name of probe.#made) await probe.send('DELETE', probe.path(name))
    }
  }

  /** A name of this fact's own. */
  name(suffix: string): string {
    return `${this.target.prefix}-${suffix}`
  }

  /** A label that only this fact's workflows have. */
  get label(): string {
    return `example.com/fact=${this.target.prefix}`
  }

  path(name: string, verb = ''): string {
    return `workflows/${this.target.namespace}/${name}${verb === '' ? '' : `/${verb}`}`
  }

  async send(
    method: string,
    path: string,
    options: { body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Came> {
    const { url, token } = this.target
    const answer = await fetch(path.startsWith('/') ? `${url}${path}` : `${url}/api/v1/${path}`, {
      method,
      redirect: 'manual',
      headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...options.headers },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    })
    const text = await answer.text()
    return { status: answer.status, headers: answer.headers, text, body: objectIn(text) }
  }

  /** Submits from the template, under a name of the fact. */
  async submit(suffix: string, options: JsonObject = {}, request: JsonObject = {}): Promise<Came> {
    const { namespace, template } = this.target
    const submitOptions = {
      name: this.name(suffix),
      parameters: ['item=1', 'seconds=0'],
      labels: this.label,
      ...options,
    }
    const body = { resourceKind: 'WorkflowTemplate', resourceName: template, submitOptions, ...request }
    return this.#kept(await this.send('POST', `workflows/${namespace}/submit`, { body }))
  }

  /** As `submit`, and it must succeed. */
  async submitted(suffix: string, options: JsonObject = {}): Promise<JsonObject> {
    return taken(await this.submit(suffix, options), 'the submit')
  }

  async create(workflow: JsonObject, request: JsonObject = {}): Promise<Came> {
    const body = { workflow, ...request }
    return this.#kept(await this.send('POST', `workflows/${this.target.namespace}`, { body }))
  }

  /** A workflow of the template, to be created. */
  manifest(metadata: JsonObject, spec: JsonObject = {}): JsonObject {
    const [key = '', value = ''] = this.label.split('=')
    return {
      metadata: { labels: { [key]: value }, ...metadata },
      spec: {
        workflowTemplateRef: { name: this.target.template },
        arguments: {
          parameters: [
            { name: 'item', value: '1' },
            { name: 'seconds', value: '0' },
          ],
        },
        ...spec,
      },
    }
  }

  get(suffix: string, query = ''): Promise<Came> {
    return this.send('GET', `${this.path(this.name(suffix))}${query}`)
  }

  act(suffix: string, verb: string, body: JsonObject = {}): Promise<Came> {
    return this.send('PUT', this.path(this.name(suffix), verb), { body })
  }

  /** Lists with these options, among the fact's own workflows unless another selector is given. */
  list(query: Readonly<Record<string, string>> = {}): Promise<Came> {
    const all = { 'listOptions.labelSelector': this.label, ...query }
    return this.send('GET', `workflows/${this.target.namespace}?${new URLSearchParams(all).toString()}`)
  }

  /** Waits until a condition holds, and returns the answer for which it did. */
  async until(what: string, ask: () => Promise<Came>, holds: (came: Came) => boolean): Promise<Came> {
    let passed = 0
    for (;;) {
      const came = await ask()
      if (holds(came)) return came
      check(passed < PATIENCE_MS, `${what} comes about within ${PATIENCE_MS} ms`, came.text.slice(0, 500))
      await this.pass(STEP_MS)
      passed += STEP_MS
    }
  }

  /** Waits until a workflow has a phase. */
  async untilPhase(suffix: string, ...phases: string[]): Promise<JsonObject> {
    const came = await this.until(
      `phase ${phases.join(' or ')}`,
      () => this.get(suffix),
      ({ body }) => phases.includes(phaseOf(body)),
    )
    return came.body
  }

  /** Waits until lists have a number of the fact's workflows. */
  untilListed(count: number): Promise<Came> {
    return this.until(
      `a list of ${count}`,
      () => this.list(),
      ({ body }) => asArray(body['items']).length === count,
    )
  }

  /** Advances the server's time. */
  async pass(ms: number): Promise<void> {
    if (this.target.pass === undefined) await systemRuntime.sleep(ms)
    else await this.target.pass(ms)
  }

  /** Deletes this one too at the end. */
  keep(name: string): void {
    this.#made.add(name)
  }

  #kept(came: Came): Came {
    const { name, uid } = metadataOf(came.body)
    if (came.status === 200 && typeof name === 'string' && uid !== undefined) this.keep(name)
    return came
  }
}

function objectIn(text: string): JsonObject {
  try {
    return asObject(JSON.parse(text))
  } catch {
    // An answer that is no JSON has none of the expected fields.
    return {}
  }
}

/** The body of an answer that must be a success. */
export function taken(came: Came, what: string): JsonObject {
  check(came.status === 200, `${what} is answered 200`, `${came.status} ${came.text.slice(0, 500)}`)
  return came.body
}

/** Throws unless it was refused with this status and gRPC code, and in these words. */
export function refused(
  came: Came,
  [status, code]: readonly [number, number],
  { words, what }: { readonly words: string | RegExp; readonly what: string },
): void {
  same(
    { status: came.status, code: came.body['code'] },
    { status, code },
    `${what}: the status and code of its refusal`,
  )
  const message = asText(came.body['message']) ?? ''
  const said = typeof words === 'string' ? message.includes(words) : words.test(message)
  check(said, `${what} is refused in the words ${String(words)}`, message)
}

/** What `fields` brings back of a creationTimestamp that it leaves out: nothing from v4.1 on. */
export function zeroTimestamp({ version }: ArgoTarget): JsonObject {
  return isAtLeast(version, '4.1.0') ? {} : { creationTimestamp: null }
}

export function metadataOf(workflow: JsonObject): JsonObject {
  return asObject(workflow['metadata'])
}

export function statusOf(workflow: JsonObject): JsonObject {
  return asObject(workflow['status'])
}

export function labelsOf(workflow: JsonObject): JsonObject {
  return asObject(metadataOf(workflow)['labels'])
}

/** The phase, or the empty string. */
export function phaseOf(workflow: JsonObject): string {
  return asText(statusOf(workflow)['phase']) ?? ''
}

/** The names of a list's items. */
export function namesOf(list: JsonObject): string[] {
  return asArray(list['items']).map((one) => asText(metadataOf(asObject(one))['name']) ?? '')
}
