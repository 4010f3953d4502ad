import type { LostPolicy } from '@sluice/engine'
import type { Choices } from './choices.js'

/** How a play is set up. */
export interface Setting {
  readonly services: number
  readonly cap: number
  readonly items: number
  readonly maxAttempts: number
  readonly lost: LostPolicy
  readonly sendConcurrency: number
  /** How many jobs the worker starts by one call; absent: one. */
  readonly maxJobsPerSend?: number
  readonly leaseTtlMs: number
  readonly graceMs: number
  readonly stallMs: number
  readonly intervalMs: number
  /** How long a call takes, at most, in ms of the play's clock. */
  readonly maxSendMs: number
  readonly maxCallMs: number
  /** Items that the worker refuses, by their numbers. */
  readonly poison: readonly number[]
}

/** One act of a play, and the time until the next. */
export interface Step {
  readonly act: Act
  readonly thenMs: number
}

export type Act = ClusterAct | OperatorAct | MoveAct | ServiceAct | OutsideAct

/** What jobs do by themselves. */
export type ClusterAct =
  | { readonly by: 'cluster'; readonly kind: 'nothing' }
  /** Some of the running jobs end. */
  | { readonly by: 'cluster'; readonly kind: 'end-jobs'; readonly share: number; readonly fails: number }
  /** A job disappears from the worker. */
  | { readonly by: 'cluster'; readonly kind: 'vanish' }
  | { readonly by: 'cluster'; readonly kind: 'hold-job' }

/** What producers and operators do to the queue. */
export type OperatorAct =
  | { readonly by: 'operator'; readonly kind: 'put'; readonly count: number }
  | { readonly by: 'operator'; readonly kind: 'pause' | 'resume' | 'sync' }
  | { readonly by: 'operator'; readonly kind: 'limit'; readonly limit: number | null }
  | { readonly by: 'operator'; readonly kind: 'cancel'; readonly share: number }

/** What operators do to one item. */
export interface MoveAct {
  readonly by: 'operator on one item'
  readonly kind: 'release' | 'fail' | 'requeue' | 'remove-and-put'
}

/** What happens to one service. */
export type ServiceAct =
  | { readonly by: 'service'; readonly kind: 'kill' | 'stop' | 'revive'; readonly service: number }
  | { readonly by: 'service'; readonly kind: 'suspend'; readonly service: number; readonly ms: number }
  | {
      readonly by: 'service'
      readonly kind: 'hang'
      readonly service: number
      readonly side: 'queue' | 'worker'
    }

/** Faults of queue or worker, for all services or one, for a time. */
export type OutsideAct =
  | {
      readonly by: 'outside'
      readonly kind: 'spell'
      readonly what: 'refused' | 'answer-lost'
      readonly side: 'queue' | 'worker'
      readonly service?: number
      readonly ms: number
      readonly share: number
    }
  | { readonly by: 'outside'; readonly kind: 'quota'; readonly jobs: number | null }

/** A play, drawn from its seed. */
export interface Script {
  readonly setting: Setting
  readonly steps: readonly Step[]
}

export function drawScript(choices: Choices): Script {
  const setting = drawSetting(choices)
  const steps = Array.from({ length: choices.between(10, 60) }, () => drawStep(choices, setting))
  return { setting, steps }
}

function drawSetting(choices: Choices): Setting {
  const items = choices.between(3, 30)
  const maxJobsPerSend = choices.oneOf([undefined, 2, 5])
  const poison = choices.chance(0.3) ? [choices.between(0, items - 1)] : []
  return {
    services: 2,
    cap: choices.between(1, 6),
    items,
    maxAttempts: choices.between(1, 3),
    lost: choices.weighted<LostPolicy>(
      [
        [3, 'fail'],
        [1, 'resend'],
      ],
      'fail',
    ),
    sendConcurrency: choices.between(1, 4),
    ...(maxJobsPerSend !== undefined && { maxJobsPerSend }),
    leaseTtlMs: choices.oneOf([1_000, 5_000, 15_000]) ?? 5_000,
    graceMs: 20_000,
    stallMs: 20_000,
    intervalMs: choices.oneOf([200, 1_000]) ?? 1_000,
    maxSendMs: choices.oneOf([0, 100, 900]) ?? 100,
    maxCallMs: choices.oneOf([0, 20, 200]) ?? 20,
    poison,
  }
}

function drawStep(choices: Choices, setting: Setting): Step {
  return { act: drawAct(choices, setting), thenMs: choices.oneOf([0, 50, 300, 1_000, 3_000, 10_000]) ?? 0 }
}

function drawAct(choices: Choices, setting: Setting): Act {
  const service = choices.between(0, setting.services - 1)
  const side = choices.chance(0.5) ? 'queue' : 'worker'
  const ms = choices.oneOf([500, 3_000, 30_000]) ?? 500
  const share = choices.oneOf([0.2, 0.5, 1]) ?? 1
  const one = choices.chance(0.5) ? { service } : {}
  const kind = choices.oneOf(['release', 'fail', 'requeue', 'remove-and-put'] as const) ?? 'release'
  const limit = choices.chance(0.4) ? null : choices.between(0, setting.cap)
  const jobs = choices.chance(0.5) ? null : choices.between(1, setting.cap)
  const acts: readonly (readonly [number, Act])[] = [
    [8, NOTHING],
    [20, { by: 'cluster', kind: 'end-jobs', share, fails: choices.oneOf([0, 0.3]) ?? 0 }],
    [1, { by: 'cluster', kind: 'vanish' }],
    [1, { by: 'cluster', kind: 'hold-job' }],
    [2, { by: 'operator', kind: 'put', count: choices.between(1, 5) }],
    [2, { by: 'operator', kind: choices.chance(0.5) ? 'pause' : 'sync' }],
    [4, { by: 'operator', kind: 'resume' }],
    [2, { by: 'operator', kind: 'limit', limit }],
    [2, { by: 'operator', kind: 'cancel', share }],
    [3, { by: 'operator on one item', kind }],
    [2, { by: 'service', kind: 'kill', service }],
    [1, { by: 'service', kind: 'stop', service }],
    [5, { by: 'service', kind: 'revive', service }],
    [3, { by: 'service', kind: 'suspend', service, ms: choices.oneOf([500, 6_000, 40_000]) ?? 500 }],
    [1, { by: 'service', kind: 'hang', service, side }],
    [3, { by: 'outside', kind: 'spell', what: 'refused', side, ms, share, ...one }],
    [2, { by: 'outside', kind: 'spell', what: 'answer-lost', side, ms, share }],
    [1, { by: 'outside', kind: 'quota', jobs }],
  ]
  return choices.weighted(acts, NOTHING)
}

const NOTHING: Act = { by: 'cluster', kind: 'nothing' }
