import { ManualRuntime } from '@sluice/testkit'
import { Checker, type Violation } from './checker.js'
import { Choices } from './choices.js'
import { Place } from './place.js'
import {
  drawScript,
  type Act,
  type ClusterAct,
  type MoveAct,
  type OperatorAct,
  type Script,
  type ServiceAct,
} from './script.js'

export interface PlayResult {
  readonly seed: number
  readonly violations: readonly Violation[]
  /** What happened, one line for each event. */
  readonly trace: readonly string[]
  readonly items: number
  readonly jobs: number
}

/** Many times longer than all backoffs, graces and takeovers together. */
const MAX_DRAIN_MS = 3_600_000
const DRAIN_STEP_MS = 1_000

/** Plays the script of one seed, then goes on without faults until every item has ended, or should have. */
export async function play(seed: number): Promise<PlayResult> {
  const choices = new Choices(seed)
  const script = drawScript(choices.fork())
  return new Play(seed, script, choices).run()
}

class Play {
  readonly #seed: number
  readonly #script: Script
  readonly #choices: Choices
  readonly #checker: Checker
  readonly #runtime = new ManualRuntime(undefined, 1)
  readonly #place: Place
  readonly #trace: string[] = []
  #puts = 0
  #jobs = 0

  constructor(seed: number, script: Script, choices: Choices) {
    this.#seed = seed
    this.#script = script
    this.#choices = choices
    const { setting } = script
    this.#checker = new Checker(setting.cap)
    this.#place = new Place({
      runtime: this.#runtime,
      setting,
      choices: choices.fork(),
      checker: this.#checker,
      trace: (line) => this.#say(line),
    })
  }

  async run(): Promise<PlayResult> {
    await this.#put(this.#script.setting.items)
    for (const { act, thenMs } of this.#script.steps) {
      if (act.kind !== 'nothing') this.#say(JSON.stringify(act))
      await this.#act(act)
      await this.#pass(thenMs)
    }
    await this.#drain()
    for (const { process, stop } of this.#place.services) {
      stop.abort()
      process.kill()
    }
    const { violations } = this.#checker
    return { seed: this.#seed, violations, trace: this.#trace, items: this.#puts, jobs: this.#jobs }
  }

  #say(line: string): void {
    this.#trace.push(`${this.#runtime.monotonicMs()} ${line}`)
  }

  async #pass(ms: number): Promise<void> {
    await this.#place.pass(ms)
    const processing = await this.#place.queue.size('PROCESSING')
    this.#checker.now(this.#place, { nowMonotonic: this.#runtime.monotonicMs(), processing })
  }

  async #put(count: number): Promise<void> {
    const items = Array.from({ length: count }, () => ({ id: `i${this.#puts++}`, body: null }))
    await this.#place.queue.putMany(items)
  }

  async #drain(): Promise<void> {
    const { queue } = this.#place
    this.#say('all trouble is over')
    this.#place.heal()
    await queue.control.resume()
    await queue.control.setLimits({ maxProcessing: null })
    for (let passedMs = 0; passedMs < MAX_DRAIN_MS; passedMs += DRAIN_STEP_MS) {
      const { WAITING, PROCESSING } = await queue.sizes()
      if (WAITING + PROCESSING === 0) break
      this.#endJobs(1, 0.1)
      await this.#pass(DRAIN_STEP_MS)
      for (const index of this.#place.services.keys()) this.#place.revive(index)
    }
    const open = [...(await this.#place.items('WAITING')), ...(await this.#place.items('PROCESSING'))]
    const finished = [...(await this.#place.items('SUCCESS')), ...(await this.#place.items('FAIL'))]
    this.#checker.atEnd(this.#place, { open, finished })
  }

  #endJobs(share: number, fails: number): void {
    const { cluster } = this.#place
    for (const job of cluster.running()) {
      if (!this.#choices.chance(share)) continue
      this.#jobs += 1
      cluster.settleJob(job.id, { stage: this.#choices.chance(fails) ? 'FAIL' : 'SUCCESS' })
    }
  }

  async #act(act: Act): Promise<void> {
    switch (act.by) {
      case 'cluster':
        return this.#actOfCluster(act)
      case 'operator':
        return this.#actOfOperator(act)
      case 'operator on one item':
        return this.#moveOne(act.kind)
      case 'service':
        return this.#actOfService(act)
      case 'outside':
        if (act.kind === 'quota') return this.#place.setQuota(act.jobs)
        return this.#place.faults.begin(act, act.ms)
    }
  }

  #actOfCluster(act: ClusterAct): void {
    if (act.kind === 'nothing') return
    if (act.kind === 'end-jobs') return this.#endJobs(act.share, act.fails)
    const job = this.#choices.oneOf(this.#place.running())
    if (job === undefined) return
    if (act.kind === 'hold-job') return this.#place.cluster.holdJob(job.id, 'held by the play')
    this.#checker.jobVanished(job, this.#runtime.monotonicMs())
    this.#place.cluster.loseJob(job.id)
  }

  #actOfService(act: ServiceAct): void {
    const place = this.#place
    switch (act.kind) {
      case 'kill':
        return place.kill(act.service)
      case 'stop':
        return place.stop(act.service)
      case 'revive':
        return place.revive(act.service)
      case 'suspend':
        return place.suspend(act.service, act.ms)
      case 'hang':
        return place.service(act.service).process.hang(act.side)
    }
  }

  async #actOfOperator(act: OperatorAct): Promise<void> {
    const { queue } = this.#place
    switch (act.kind) {
      case 'put':
        return this.#put(act.count)
      case 'pause':
        return queue.control.pause()
      case 'resume':
        return queue.control.resume()
      case 'sync':
        await queue.control.sync()
        return
      case 'limit':
        return queue.control.setLimits({ maxProcessing: act.limit })
      case 'cancel': {
        const items = (await this.#place.items('PROCESSING')).filter(() => this.#choices.chance(act.share))
        for (const item of items) this.#checker.excuse(item)
        return this.#place.cancel(items)
      }
    }
  }

  async #moveOne(kind: MoveAct['kind']): Promise<void> {
    const { queue } = this.#place
    const stage = kind === 'release' || kind === 'fail' ? 'PROCESSING' : 'FAIL'
    const item = this.#choices.oneOf(await this.#place.items(stage))
    if (item === undefined) return
    const { id, attempt } = item
    this.#say(`${kind} ${id} at attempt ${attempt}`)
    if (kind === 'release') return queue.release(id, { attempt })
    if (kind === 'fail') {
      this.#checker.excuse(item)
      return queue.fail(id, { attempt })
    }
    if (kind === 'requeue') await queue.requeue([id])
    else {
      await queue.remove([id])
      await queue.put(id, null)
    }
  }
}
