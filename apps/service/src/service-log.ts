import { isSluiceError, type Logger } from '@sluice/core'
import { pino, stdSerializers } from 'pino'
import pretty from 'pino-pretty'
import type { Config } from './config/config-schema.js'
import type { TextStream } from './output.js'

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
}

/** The service's log: pretty for people on a terminal, JSON lines elsewhere; secrets and bodies are left out. */
export function makeLogger({ log, stream, colors }: LogOptions): Logger {
  const isPretty = log.format === 'pretty' || (log.format === 'auto' && stream.isTTY === true)
  const options = {
    level: log.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: errorFields },
    formatters: { level: (label: string) => ({ level: label }) },
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

/** Of an error of Sluice's own the message says what to do; where it was thrown concerns nobody. Any other is a bug, and shown whole. */
function errorFields(error: unknown): unknown {
  if (!isSluiceError(error)) return error instanceof Error ? stdSerializers.err(error) : error
  const { code, message, cause } = error
  return { code, message, ...(cause instanceof Error ? { cause: cause.message } : {}) }
}
