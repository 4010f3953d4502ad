import { MAX_ID_BYTES, utf8Bytes } from '@sluice/core'
import { z } from 'zod'
import { parseArgument } from './command/command-template.js'

const MAX_SPAN_MS = 2_147_483_647

const text = z.string().refine((value) => !value.includes('\0'), 'must not contain the NUL character')
const span = z.int().max(MAX_SPAN_MS, `must be at most ${MAX_SPAN_MS} ms`)

/** The options of `openWorker`: a zod schema, and so a Standard Schema. */
export const optionsSchema = z.strictObject({
  /** The queue's name. */
  name: text
    .min(1)
    .refine((value) => utf8Bytes(value) <= MAX_ID_BYTES, `must be at most ${MAX_ID_BYTES} bytes`),
  /** The program and its arguments, which may hold placeholders. */
  command: z.array(z.string()).min(1, 'must name a program').check(checkCommand),
  /**
   * Where jobs, exit codes and outputs are kept: on a local disk, and the same for every service of the queue. A relative path is relative to the
   * configuration file, or else to the folder of the service.
   */
  dir: text.min(1).default('.sluice/jobs'),
  /** The folder that the command starts in. Default: that of the configuration file that names the command, or else that of the service. */
  cwd: text.min(1).optional(),
  /** Variables beside those of the service; of those from which the configuration read secrets a job gets what stands here. */
  env: z
    .record(text.regex(/^[^=]+$/u, 'must be the name of a variable'), text.meta({ secret: 'referenced' }))
    .optional(),
  /** Longest that a job may run, in ms. Default: for ever. */
  timeoutMs: span.min(1).optional(),
  /** From SIGTERM to SIGKILL, in ms. */
  killAfterMs: span.min(0).default(10_000),
  /** Whether the body is on the command's stdin, as JSON. */
  stdin: z.enum(['json', 'none']).default('json'),
  /** Whether the last line of stdout is the result, when it is JSON. */
  result: z.enum(['json-last-line', 'none']).default('json-last-line'),
  /** Longest line that is taken as a result, in bytes. */
  maxResultBytes: z.int().min(1).max(1_048_576).default(65_536),
  /** How much of the end of stderr goes into the reason of a failure, in bytes. */
  stderrTailBytes: z.int().min(0).max(8_192).default(1_500),
  /** Whose stdout, stderr and output folder stay on the disk once their outcome is stored in the queue. */
  keepOutputs: z.enum(['all', 'failed', 'none']).default('all'),
  /** Whether a job is on the disk for good before it starts, so that not even a power cut makes it run twice. */
  fsync: z.boolean().default(true),
})

/** What `openWorker` takes. */
export type ProcessWorkerOptions = z.input<typeof optionsSchema>
/** The same with the defaults filled in. */
export type ProcessWorkerSettings = z.output<typeof optionsSchema>

function checkCommand(context: z.core.ParsePayload<string[]>): void {
  for (const [index, argument] of context.value.entries()) {
    const message = wrong(argument, index)
    if (message !== undefined) {
      context.issues.push({ code: 'custom', input: argument, path: [index], message })
    }
  }
}

function wrong(argument: string, index: number): string | undefined {
  if (index === 0 && argument === '') return 'must name a program'
  try {
    const template = parseArgument(argument)
    // Else nobody could say at start-up whether the program is there.
    if (index === 0 && template.some((piece) => typeof piece !== 'string')) {
      return 'must name the program itself, without a placeholder'
    }
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
