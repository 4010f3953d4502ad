import { isSluiceError, redactJson, type JsonValue, type Logger, type Secrets } from '@sluice/core'
import { pino, stdSerializers } from 'pino'
import pretty from 'pino-pretty'
import type { Config } from '../config/config-schema.js'
import type { TextStream } from '../output/output.js'

/** Fields that are never logged, whoever logs them. Bodies can hold anything; the rest is what secrets are called. */
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
  /** Usually stderr: stdout is for results. */
  readonly stream: TextStream
  readonly colors: boolean
  /** Left out of every line, whatever field or message has them. */
  readonly secrets?: Secrets
}

/** The service's log: pretty for people on a terminal, JSON lines elsewhere; secrets and bodies are left out. */
export function makeLogger({ log, stream, colors, secrets }: LogOptions): Logger {
  const isPretty = log.format === 'pretty' || (log.format === 'auto' && stream.isTTY === true)
  const options = {
    level: log.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
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

/** The line as it is going to be written, so that nothing gets around it; it stays JSON, whatever the secrets are. */
function withoutSecrets(line: string, secrets: Secrets): string {
  if (secrets.redact(line) === line) return line
  const fields: JsonValue = JSON.parse(line)
  return `${JSON.stringify(redactJson(fields, secrets))}\n`
}

/** Of an error of Sluice's own the message says what to do; where it was thrown concerns nobody. Any other is a bug, and shown whole. */
function errorFields(error: unknown): unknown {
  if (!isSluiceError(error)) return error instanceof Error ? stdSerializers.err(error) : error
  const { code, message, cause } = error
  return { code, message, ...(cause instanceof Error ? { cause: cause.message } : {}) }
}
