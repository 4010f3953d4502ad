import type { ControlState, QueueDocument } from '@sluice/core'
import type { AnyQueue, AnyWorker } from '../work-queue-options.js'
import type { Call, CallWatch } from './call-watch.js'

type Method = (...args: unknown[]) => unknown

/** They return no promise of an answer, or close the object. */
const UNWATCHED: ReadonlySet<string> = new Set(['watch', 'close'])

/**
 * The queue, with all calls watched, those of its control and documents too. The `LeaseKeeper` watches those
 * of its lease.
 *
 * @param drain its control always reads as paused, for this engine only
 */
export function watchedQueue(queue: AnyQueue, calls: CallWatch, { drain = false } = {}): AnyQueue {
  const watching: Watching = { of: 'queue', prefix: 'control.' }
  const read = (): Promise<ControlState> =>
    calls.run(callOf(watching, 'read', []), async () => drained(await queue.control.read()))
  const control = watched(queue.control, drain ? { ...watching, own: { read } } : watching, calls)
  const document = (name: string): QueueDocument => {
    const subject = `document ${JSON.stringify(name)}`
    return watched(queue.document(name), { of: 'queue', prefix: 'document.', subject }, calls)
  }
  return watched(queue, { of: 'queue', own: { control, document } }, calls)
}

function drained(state: ControlState): ControlState {
  return { reason: 'a service drains the queue', ...state, paused: true }
}

/** The worker, with all calls watched; methods that it lacks are absent. */
export function watchedWorker(worker: AnyWorker, calls: CallWatch): AnyWorker {
  return watched(worker, { of: 'worker' }, calls)
}

interface Watching {
  readonly of: Call['of']
  readonly prefix?: string
  readonly subject?: string
  /** Members that are given instead of the object's. */
  readonly own?: Readonly<Record<string, unknown>>
}

function watched<T extends object>(object: T, watching: Watching, calls: CallWatch): T {
  // Not the object itself: a proxy of a frozen one may not replace its members.
  const shadow: T = Object.create(object)
  return new Proxy(shadow, {
    get(_, key) {
      const name = String(key)
      if (watching.own !== undefined && Object.hasOwn(watching.own, name)) return watching.own[name]
      const value: unknown = Reflect.get(object, key, object)
      if (!isMethod(value) || UNWATCHED.has(name)) return value
      return (...args: unknown[]) =>
        calls.run(callOf(watching, name, args), async () => value.apply(object, args))
    },
  })
}

function isMethod(value: unknown): value is Method {
  return typeof value === 'function'
}

function callOf({ of, prefix = '', subject }: Watching, name: string, args: readonly unknown[]): Call {
  const about = subject ?? subjectOf(args[0])
  return { of, method: `${prefix}${name}`, ...(about === undefined ? {} : { subject: about }) }
}

/** What the first argument refers to. Never a body. */
function subjectOf(first: unknown): string | undefined {
  if (typeof first === 'string') return JSON.stringify(first)
  if (typeof first === 'number') return `${first} items`
  if (Array.isArray(first)) return `${first.length} items`
  const isJob = typeof first === 'object' && first !== null && 'id' in first && typeof first.id === 'string'
  return isJob ? JSON.stringify(first.id) : undefined
}
