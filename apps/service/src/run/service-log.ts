import { isSluiceError, type JsonValue, type Logger, type Runtime } from '@sluice/core'
import { redactJson, type Secrets } from '@sluice/core/backend'
import { pino, stdSerializers } from 'pino'
import pretty from 'pino-pretty'
import type { Config } from '../config/config-schema.js'
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
export function makeLogger({ log, stream, colors, runtime, secrets }: LogOptions): Logger {
  const isPretty = log.format === 'pretty' || (log.format === 'auto' && stream.isTTY === true)
  const options = {
    level: log.level,
    base: null,
    timestamp: () => `,"time":"${new Date(runtime.now()).toISOString()}"`,
    serializers: { err: errorFields },
    formatters: { level: (label: string) => ({ level: label }) },
    ...(secrets === undefined
      ? {}
      : { hooks: { streamWrite: (line: string) => withoutSecrets(line, secrets) } }),
    redact: { paths: REDACTED.flatMap((name) => [name, `*.${name}`]), censor: '[left out]' },
  }
  if (!isPretty) return pino(options, stream)
  return pino(
    options,
    pretty({
      destination: stream,
      colorize: colors,
      translateTime: 'SYS:HH:MM:ss',
      singleLine: true,
      sync: true,
    }),
  )
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
