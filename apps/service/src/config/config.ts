/** The settings of a package: its name, and its options. */
export interface PackageSettings {
  readonly package: string
  readonly [option: string]: unknown
}

/** A valid configuration with its defaults; `sluice.schema.json` says what each setting does. */
export interface Config {
  readonly $schema?: string | undefined
  readonly queue: PackageSettings & { readonly name: string }
  readonly worker?: PackageSettings | undefined
  readonly processing: ProcessingConfig
  readonly canary?: number | undefined
  readonly breaker?: 'off' | false | BreakerConfig | undefined
  readonly retry: RetryConfig
  readonly lost: { readonly policy: 'fail' | 'resend' | 'hold'; readonly graceMs: number }
  readonly jobs: {
    readonly pendingWarnMs: number
    readonly pendingTimeoutMs?: number | undefined
    readonly askAfterMs: number
  }
  readonly deadlines: { readonly attemptMs?: number | undefined; readonly itemMs?: number | undefined }
  readonly stragglers?: StragglersConfig | undefined
  readonly sends: {
    readonly maxTries: number
    readonly baseMs: number
    readonly maxMs: number
    readonly maxRetryAfterMs: number
  }
  readonly backpressure:
    | 'off'
    | {
        readonly algorithm: 'aimd' | 'gradient'
        readonly minLimit: number
        readonly slowSendMs: number
        readonly pendingMs: number
      }
  readonly sweep: { readonly everyMs: number; readonly retentionMs?: number | undefined }
  readonly service: {
    readonly intervalMs: number
    readonly leaseTtlMs: number
    readonly stopDeadlineMs: number
    readonly stallMs: number
    readonly sendConcurrency: number
    readonly maxLookupsPerSecond: number
  }
  readonly log: {
    readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent'
    readonly format: 'auto' | 'pretty' | 'json'
  }
}

interface ProcessingConfig {
  readonly limit: number
  readonly resources?: Readonly<Record<string, number>> | undefined
  readonly maxPassed?: number | undefined
  readonly perKey?: number | undefined
  readonly rate?: { readonly count: number; readonly perMs: number } | undefined
  readonly windows?: readonly string[] | undefined
  readonly outsideLimit?: number | undefined
  readonly machine?:
    | { readonly load?: number | undefined; readonly freeMemory?: string | undefined }
    | undefined
}

interface StragglersConfig {
  readonly factor: number
  readonly minSamples: number
  readonly action: 'mark' | 'retry'
}

interface BreakerConfig {
  readonly failures?: number | string | undefined
  readonly window?: number | undefined
  readonly windowMs?: number | undefined
  readonly minItems?: number | undefined
  readonly groupFailures?: number | undefined
  readonly groupWindowMs?: number | undefined
  readonly halfOpenMs?: number | undefined
  readonly halfOpenItems?: number | undefined
}

interface RetryConfig {
  readonly maxAttempts?: number | undefined
  readonly backoff: { readonly baseMs: number; readonly maxMs: number }
  readonly on?: readonly string[] | undefined
  readonly rules?: readonly RetryRuleConfig[] | undefined
}

interface RetryRuleConfig {
  readonly classes?: readonly string[] | undefined
  readonly exitCodes?: readonly (number | string)[] | undefined
  readonly maxAttempts: number
  readonly backoff?: { readonly baseMs?: number | undefined; readonly maxMs?: number | undefined } | undefined
  readonly escalate?: { readonly parameter: string; readonly values: readonly string[] } | undefined
}
