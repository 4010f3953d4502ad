import {
  SluiceError,
  type JobRef,
  type JobReport,
  type JobSpec,
  type JsonValue,
  type ProbeSample,
} from '@sluice/core'
import { NoopWorker } from './noop-worker.ts'

/** The words of a refusal that no list has. */
export const REFUSAL = 'admission webhook "quality" denied the request: the tile is odd'

/** A {@link NoopWorker} that refuses some items, in unknown words, each time that they are sent. */
export class PoisonWorker extends NoopWorker {
  override readonly supports = {
    durable: false,
    lookupJob: true,
    cancelJob: false,
    watch: true,
    probeSend: true,
  }
  refusals = 0

  override async sendJob(id: string, body: JsonValue, job: JobSpec): Promise<void> {
    if (body !== null) return super.sendJob(id, body, job)
    this.refusals += 1
    throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', REFUSAL, { itemId: id })
  }

  /** What has ended is reported by the next poll; of others there is none. */
  async lookupJob(_job: JobRef): Promise<JobReport | undefined> {
    return undefined
  }

  async probeSend(_sample?: ProbeSample): Promise<void> {
    // It takes whatever isn't poison.
  }
}
