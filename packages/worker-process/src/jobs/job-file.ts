import { readFile } from 'node:fs/promises'
import * as z from 'zod/mini'
import type { JobPlace } from '../disk/layout.js'
import { absentAsUndefined } from '../disk/record.js'

const jobFileSchema = z.object({
  id: z.string(),
  uid: z.string(),
  attempt: z.number(),
  queue: z.string(),
  args: z.array(z.string()),
  bootId: z.string(),
  acceptedAt: z.number(),
  /**
   * Tells a job from one of the same name whose files were deleted. Absent in the files of earlier versions.
   */
  jobUid: z.optional(z.string()),
  /**
   * From SIGTERM to SIGKILL by its own supervisor. Absent in the files of earlier versions, whose supervisors
   * end a job at its timeout alone.
   */
  killAfterMs: z.optional(z.number()),
  /** Of the send that the job was accepted with; absent where it had none [W-OVERRIDE-1]. */
  overrides: z.optional(z.record(z.string(), z.string())),
})

/** What is written of a job before it starts. */
export type JobFile = z.output<typeof jobFileSchema>

/**
 * The job's file; `undefined` when there is no such job; `'damaged'` when a power cut left it half written,
 * with `fsync` turned off: whether it ran is then unknown.
 */
export async function readJobFile(place: JobPlace): Promise<JobFile | 'damaged' | undefined> {
  const text = await absentAsUndefined(() => readFile(place.jobFile, 'utf8'))
  if (text === undefined) return undefined
  try {
    return jobFileSchema.parse(JSON.parse(text))
  } catch {
    // The caller says so.
    return 'damaged'
  }
}
