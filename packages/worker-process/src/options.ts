import { resolve } from 'node:path'
import { MAX_ID_BYTES, type PackageContext, type Runtime } from '@sluice/core'
import { baseDirOf, isRuntime, utf8Bytes } from '@sluice/core/backend'
import * as z from 'zod/mini'
import { parseArgument } from './command/command-template.js'

const MAX_SPAN_MS = 2_147_483_647

// zod/mini has no messages of its own, and a few parses are not worth a compiled parser.
z.config({ ...z.locales.en(), jitless: true })

const text = z
  .string()
  .check(z.refine((value) => !value.includes('\0'), 'must not contain the NUL character'))
const filled = text.check(z.minLength(1))
const span = z.int().check(z.lte(MAX_SPAN_MS, `must be at most ${MAX_SPAN_MS} ms`))

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

/** The schema of {@link ProcessWorkerOptions}. */
export const optionsSchema = z.strictObject({
  name: filled.check(
    z.refine((value) => utf8Bytes(value) <= MAX_ID_BYTES, `must be at most ${MAX_ID_BYTES} bytes`),
  ),
  command: z.array(z.string()).check(z.minLength(1, 'must name a program'), checkCommand),
  dir: z._default(filled, '.sluice/jobs'),
  cwd: z.optional(filled),
  env: z.optional(z.record(text.check(z.regex(/^[^=]+$/u, 'must be the name of a variable')), text)),
  timeoutMs: z.optional(span.check(z.gte(1))),
  killAfterMs: z._default(span.check(z.gte(0)), 10_000),
  stdin: z._default(z.enum(['json', 'none']), 'json'),
  result: z._default(z.enum(['json-last-line', 'none']), 'json-last-line'),
  maxResultBytes: z._default(z.int().check(z.gte(1), z.lte(1_048_576)), 65_536),
  stderrTailBytes: z._default(z.int().check(z.gte(0), z.lte(8_192)), 1_500),
  keepOutputs: z._default(z.enum(['all', 'failed', 'none']), 'all'),
  fsync: z._default(z.boolean(), true),
  runtime: z.optional(
    z.custom<Runtime>(isRuntime, 'must be a Runtime, such as systemRuntime of @sluice/core/backend'),
  ),
})

/** The options with the defaults filled in. */
export type ProcessWorkerSettings = z.output<typeof optionsSchema>

// Standard JSON Schema of what is a secret, which the service reads. zod/mini has none by itself, and what
// makes a whole one would stay in memory.
const SECRET = { type: 'string', secret: 'referenced' }
const SECRETS = { type: 'object', properties: { env: { type: 'object', additionalProperties: SECRET } } }
Object.assign(optionsSchema['~standard'], { jsonSchema: { input: () => SECRETS } })

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
