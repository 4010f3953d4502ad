import type { Logger } from '@sluice/core'
import { pino } from 'pino'
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
