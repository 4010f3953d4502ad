import { resolve } from 'node:path'
import { MAX_ID_BYTES, type PackageContext, type Runtime } from '@sluice/core'
import { baseDirOf, isRuntime, utf8Bytes } from '@sluice/core/backend'
import * as z from 'zod'
import { parseArgument } from './command/command-template.js'

const MAX_SPAN_MS = 2_147_483_647

const text = z.string().refine((value) => !value.includes('\0'), 'must not contain the NUL character')
const span = z.int().max(MAX_SPAN_MS, `must be at most ${MAX_SPAN_MS} ms`)

/** The options of `openWorker`. */
export interface ProcessWorkerOptions {
  /** The queue's name. */
  readonly name: string
  /** The program and its arguments, which may hold placeholders such as `{id}` and `{body.path}`. */
  readonly command: readonly string[]
  /**
   * Where jobs, exit codes and outputs are kept: on a local disk, and the same for every service of the
   * queue. A relative path is relative to the configuration file, or else to the folder of the service.
   * Default `.sluice/jobs`.
   */
  readonly dir?: string | undefined
  /**
   * The folder that the command starts in. Default: that of the configuration file that names the command, or
   * else that of the service.
   */
  readonly cwd?: string | undefined
  /**
   * Variables beside those of the service; of those from which the configuration read secrets a job gets what
   * stands here.
   */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Longest that a job may run, in ms. Default: no limit. */
  readonly timeoutMs?: number | undefined
  /** From SIGTERM to SIGKILL, in ms. Default 10,000. */
  readonly killAfterMs?: number | undefined
  /** Whether the body is on the command's stdin, as JSON. Default `json`. */
  readonly stdin?: 'json' | 'none' | undefined
  /** Whether the last line of stdout is the result, when it is JSON. Default `json-last-line`. */
  readonly result?: 'json-last-line' | 'none' | undefined
  /** Longest line that is taken as a result, in bytes. Default 65,536. */
  readonly maxResultBytes?: number | undefined
  /** How much of the end of stderr goes into the reason of a failure, in bytes. Default 1,500. */
  readonly stderrTailBytes?: number | undefined
  /**
   * Whose stdout, stderr and output folder stay on the disk once their outcome is stored in the queue.
   * Default `all`.
   */
  readonly keepOutputs?: 'all' | 'failed' | 'none' | undefined
  /**
   * Whether a job is on the disk for good before it starts, so that not even a power cut makes it run twice.
   * Default true.
   */
  readonly fsync?: boolean | undefined
  /** Where time and ids come from. Default the machine's. */
  readonly runtime?: Runtime | undefined
}

/** The options of `openWorker`: a zod schema, and so a Standard Schema. */
export const optionsSchema = z.strictObject({
  name: text
    .min(1)
    .refine((value) => utf8Bytes(value) <= MAX_ID_BYTES, `must be at most ${MAX_ID_BYTES} bytes`),
  command: z.array(z.string()).min(1, 'must name a program').check(checkCommand),
  dir: text.min(1).default('.sluice/jobs'),
  cwd: text.min(1).optional(),
  env: z
    .record(text.regex(/^[^=]+$/u, 'must be the name of a variable'), text.meta({ secret: 'referenced' }))
    .optional(),
  timeoutMs: span.min(1).optional(),
  killAfterMs: span.min(0).default(10_000),
  stdin: z.enum(['json', 'none']).default('json'),
  result: z.enum(['json-last-line', 'none']).default('json-last-line'),
  maxResultBytes: z.int().min(1).max(1_048_576).default(65_536),
  stderrTailBytes: z.int().min(0).max(8_192).default(1_500),
  keepOutputs: z.enum(['all', 'failed', 'none']).default('all'),
  fsync: z.boolean().default(true),
  runtime: z
    .custom<Runtime>(isRuntime, 'must be a Runtime, such as systemRuntime of @sluice/core/backend')
    .optional(),
})

/** The options with the defaults filled in. */
export type ProcessWorkerSettings = z.output<typeof optionsSchema>

/**
 * The settings with absolute paths. A service that is started from another folder must find the same jobs,
 * and run the same command: a program such as `./convert.sh` is that of the folder that the command starts
 * in.
 */
export function withAbsolutePaths(
  settings: ProcessWorkerSettings,
  context: PackageContext,
): ProcessWorkerSettings & { readonly cwd: string } {
  const { dir, cwd } = settings
  const startDir = cwd === undefined ? baseDirOf(context, 'command') : baseDirOf(context, 'cwd')
  return {
    ...settings,
    dir: resolve(baseDirOf(context, 'dir') ?? '.', dir),
    cwd: resolve(startDir ?? '.', cwd ?? '.'),
  }
}

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
    // Whether the program is there must be known at start-up.
    if (index === 0 && template.some((piece) => typeof piece !== 'string')) {
      return 'must name the program itself, without a placeholder'
    }
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
