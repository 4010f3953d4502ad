import type {
  JobReport,
  JobReports,
  JsonValue,
  Logger,
  Queue,
  QueuePackage,
  Worker,
  WorkerPackage,
} from '@sluice/core'
import { redactError, redactJson, type Secrets } from '@sluice/core/backend'

/** A queue that redacts secrets in its errors. */
export function guardedQueue(queue: Queue, secrets: Secrets): Queue {
  return withCleanErrors(queue, secrets)
}

/**
 * A worker that redacts secrets in its errors and reports, which are stored with items. Results are data and
 * unchanged.
 */
export function guardedWorker(worker: Worker, secrets: Secrets): Worker {
  const clean = withCleanErrors(worker, secrets)
  const lookupJob: Worker['lookupJob'] = async (...given) => {
    const report = await clean.lookupJob?.(...given)
    return report === undefined ? undefined : redactReport(report, secrets)
  }
  // Its errors are values, one for each job, and are stored with items as well.
  const sendMany: Worker['sendMany'] = async (jobs) => {
    const outcomes = (await clean.sendMany?.(jobs)) ?? []
    for (const outcome of outcomes) redactError(outcome, secrets)
    return outcomes
  }
  return withMethods(clean, {
    pollAllStatus: async (...given) => redactReports(await clean.pollAllStatus(...given), secrets),
    ...(worker.lookupJob === undefined ? {} : { lookupJob }),
    ...(worker.sendMany === undefined ? {} : { sendMany }),
  })
}

/** A queue's package that redacts secrets in the errors of its functions and queues. */
export function guardedQueuePackage(found: QueuePackage, secrets: Secrets): QueuePackage {
  const clean = withCleanErrors({ ...found }, secrets)
  const openIfExists: QueuePackage['openIfExists'] = async (...given) => {
    const queue = await clean.openIfExists?.(...given)
    return queue && guardedQueue(queue, secrets)
  }
  return withMethods(clean, {
    ...schemaOf(found),
    openQueue: async (...given: Parameters<QueuePackage['openQueue']>) =>
      guardedQueue(await clean.openQueue(...given), secrets),
    ...(found.openIfExists === undefined ? {} : { openIfExists }),
  })
}

/** The same for a worker's package. */
export function guardedWorkerPackage(found: WorkerPackage, secrets: Secrets): WorkerPackage {
  const clean = withCleanErrors({ ...found }, secrets)
  return withMethods(clean, {
    ...schemaOf(found),
    openWorker: async (...given: Parameters<WorkerPackage['openWorker']>) =>
      guardedWorker(await clean.openWorker(...given), secrets),
  })
}

/** Unwrapped: a schema may be a function with fields. */
function schemaOf({ optionsSchema }: QueuePackage | WorkerPackage): Pick<QueuePackage, 'optionsSchema'> {
  return optionsSchema === undefined ? {} : { optionsSchema }
}

/** A logger that redacts secrets in messages and fields. */
export function guardedLogger(logger: Logger, secrets: Secrets): Logger {
  const clean =
    (level: keyof Logger): Logger['info'] =>
    (fields, message) =>
      logger[level](cleanFields(fields, secrets), secrets.redact(message))
  return { debug: clean('debug'), info: clean('info'), warn: clean('warn'), error: clean('error') }
}

/** The report without secrets; the same object where there are none. */
function redactReport(report: JobReport, secrets: Secrets): JobReport {
  const { message, url, details, leftOut, earlier } = report
  const changes = {
    ...changed('message', message, (text) => secrets.redact(text)),
    ...changed('url', url, (text) => secrets.redact(text)),
    ...changed('details', details, (value) => redactJson(value, secrets)),
    ...changed('leftOut', leftOut, (texts) => redactTexts(texts, secrets)),
    ...changed('earlier', earlier, (reports) => redactAll(reports, secrets)),
  }
  return Object.keys(changes).length === 0 ? report : { ...report, ...changes }
}

function changed<K extends string, T>(
  key: K,
  value: T | undefined,
  redact: (value: T) => T,
): { readonly [P in K]?: T } {
  if (value === undefined) return {}
  const redacted = redact(value)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a computed key makes an index signature of it
  return redacted === value ? {} : ({ [key]: redacted } as { readonly [P in K]?: T })
}

function redactTexts(texts: readonly string[], secrets: Secrets): readonly string[] {
  const redacted = texts.map((text) => secrets.redact(text))
  return redacted.every((text, index) => text === texts[index]) ? texts : redacted
}

function redactAll(reports: readonly JobReport[], secrets: Secrets): readonly JobReport[] {
  const redacted = reports.map((report) => redactReport(report, secrets))
  return redacted.every((report, index) => report === reports[index]) ? reports : redacted
}

function redactReports(reports: JobReports, secrets: Secrets): JobReports {
  const entries = [...reports].map(([id, report]) => [id, redactReport(report, secrets)] as const)
  const { complete, incompleteReason } = reports
  const reason = incompleteReason === undefined ? undefined : secrets.redact(incompleteReason)
  if (reason === incompleteReason && entries.every(([id, report]) => reports.get(id) === report))
    return reports
  return Object.assign(new Map(entries), {
    ...(complete === undefined ? {} : { complete }),
    ...(reason === undefined ? {} : { incompleteReason: reason }),
  })
}

/** Redacts log fields; an error among them is changed in place. */
function cleanFields(fields: object, secrets: Secrets): object {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]: [string, unknown]) => [key, cleanField(value, secrets)]),
  )
}

function cleanField(value: unknown, secrets: Secrets): unknown {
  if (value instanceof Error || typeof value === 'string') return redactError(value, secrets)
  if (typeof value !== 'object' || value === null) return value
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is logged is written as JSON; other values pass through untouched
  return redactJson(value as JsonValue, secrets)
}

/** Redacts the errors of an object's methods, which still run on the object itself for its private fields. */
function withCleanErrors<T extends object>(target: T, secrets: Secrets): T {
  const made = new Map<PropertyKey, (...given: unknown[]) => unknown>()
  return new Proxy(target, {
    get: (object, key) => {
      const value: unknown = Reflect.get(object, key, object)
      if (typeof value !== 'function') return value
      const known = made.get(key) ?? cleanMethod((given) => Reflect.apply(value, object, given), secrets)
      made.set(key, known)
      return known
    },
  })
}

function cleanMethod(
  call: (given: unknown[]) => unknown,
  secrets: Secrets,
): (...given: unknown[]) => unknown {
  return (...given) => {
    try {
      const answer = call(given)
      return answer instanceof Promise ? answer.catch((error: unknown) => rethrow(error, secrets)) : answer
    } catch (error) {
      return rethrow(error, secrets)
    }
  }
}

function rethrow(error: unknown, secrets: Secrets): never {
  throw redactError(error, secrets)
}

function withMethods<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get: (object, key): unknown => Reflect.get(Object.hasOwn(methods, key) ? methods : object, key),
  })
}
