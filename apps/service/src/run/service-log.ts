import { isSluiceError, type JsonValue, type Logger, type Runtime } from '@sluice/core'
import { redactJson, type Secrets } from '@sluice/core/backend'
import { pino, stdSerializers } from 'pino'
import type { Config } from '../config/config.js'
import type { TextStream } from '../output/output.js'

/** Fields that are never logged. Bodies can hold anything; the rest are common names of secrets. */
const REDACTED = [
  'body',
  'password',
  'token',
  'secret',
  'authorization',
  'credentials',
  'accessKeyId',
  'secretAccessKey',
  'sessionToken',
  'connectionString',
  'url',
]

/** How a service logs. */
export interface LogOptions {
  readonly log: Config['log']
  /** Usually stderr; stdout is for results. */
  readonly stream: TextStream
  readonly colors: boolean
  readonly runtime: Pick<Runtime, 'now'>
  /** Redacted in every line, in messages and fields. */
  readonly secrets?: Secrets
}

/** The service's log: pretty on a terminal, JSON lines elsewhere, without secrets and bodies. */
export async function makeLogger({ log, stream, colors, runtime, secrets }: LogOptions): Promise<Logger> {
  const isPretty = log.format === 'pretty' || (log.format === 'auto' && stream.isTTY === true)
  const options = {
    level: log.level,
    base: null,
    timestamp: () => `,"time":"${isoText(runtime.now())}"`,
    serializers: { err: errorFields },
    formatters: { level: (label: string) => ({ level: label }) },
    ...(secrets === undefined
      ? {}
      : { hooks: { streamWrite: (line: string) => withoutSecrets(line, secrets) } }),
    redact: { paths: REDACTED.flatMap((name) => [name, `*.${name}`]), censor: '[left out]' },
  }
  if (!isPretty) return plain(pino(options, stream))
  // A service whose log is collected has no use for it.
  const { default: pretty } = await import('pino-pretty')
  const readable = pretty({
    destination: stream,
    colorize: colors,
    translateTime: 'SYS:HH:MM:ss',
    singleLine: true,
    sync: true,
  })
  return plain(pino(options, readable))
}

/** pino's type has any field, also the `then` of a promise. */
function plain(logger: Logger): Logger {
  return logger
}

/**
 * As `Date.toISOString`, whose first call maps 8 MB of the program's own data: a tenth of the memory of a
 * service.
 */
function isoText(atMs: number): string {
  const at = new Date(atMs)
  const [month, ...rest] = [
    at.getUTCMonth() + 1,
    at.getUTCDate(),
    at.getUTCHours(),
    at.getUTCMinutes(),
    at.getUTCSeconds(),
  ].map((part) => String(part).padStart(2, '0'))
  const [day, hours, minutes, seconds] = rest
  const ms = String(at.getUTCMilliseconds()).padStart(3, '0')
  return `${at.getUTCFullYear()}-${month}-${day}T${hours}:${minutes}:${seconds}.${ms}Z`
}

/** Redacts the line as it is written, so that nothing bypasses it; it stays JSON. */
function withoutSecrets(line: string, secrets: Secrets): string {
  if (secrets.redact(line) === line) return line
  const fields: JsonValue = JSON.parse(line)
  return `${JSON.stringify(redactJson(fields, secrets))}\n`
}

/**
 * The message of a SluiceError says what to do, and its stack adds nothing. Any other error is a bug and
 * logged whole.
 */
function errorFields(error: unknown): unknown {
  if (!isSluiceError(error)) return error instanceof Error ? stdSerializers.err(error) : error
  const { code, message, cause } = error
  return { code, message, ...(cause instanceof Error ? { cause: cause.message } : {}) }
}
